"""Loading logged models and reading with them."""
