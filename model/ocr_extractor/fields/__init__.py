"""From a schema and texts as they are printed to typed, checked values."""
