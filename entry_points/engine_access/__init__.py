"""What an engine needs before it can run: a key, weights."""
