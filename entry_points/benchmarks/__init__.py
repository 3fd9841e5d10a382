"""What the entry point `benchmark` measures: a module for each suite, and shared modules."""
