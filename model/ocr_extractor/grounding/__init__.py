"""Where on the page an LLM's texts stand."""
