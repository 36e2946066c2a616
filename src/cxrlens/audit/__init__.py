"""The audit: can the number be believed? Each part answers with a verdict, its evidence, and a sentence to quote."""
