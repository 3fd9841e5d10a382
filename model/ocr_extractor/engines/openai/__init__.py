"""The engine that asks a multimodal LLM."""
