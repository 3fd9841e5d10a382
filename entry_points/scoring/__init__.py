"""Scores readings against the ground truth: pure counts, and the scorer MLflow runs."""
