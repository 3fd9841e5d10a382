"""Finds the texts of an LLM on the page."""
