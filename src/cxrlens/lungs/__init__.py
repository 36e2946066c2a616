"""Lungs: where they lie in a radiograph, from a small segmenter that the project trained."""
