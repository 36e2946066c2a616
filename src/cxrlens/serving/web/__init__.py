"""The server: a page and an API over one model."""
