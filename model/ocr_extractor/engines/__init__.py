"""The engines: what reads a page, an LLM API or the local one."""
