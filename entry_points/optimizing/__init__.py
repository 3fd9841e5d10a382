"""How `optimize` searches for a better prompt."""
