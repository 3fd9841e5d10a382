"""What the entry point `benchmark` measures: one module a suite, and what they share."""
