"""Calls of language models: SQL decides and keeps the books, this carries."""
