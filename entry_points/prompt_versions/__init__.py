"""Registering versions of prompts: what `register_prompt`, `improve` and `log` share."""
