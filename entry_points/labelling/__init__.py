"""How `label` asks a person for the truth, and takes it."""
