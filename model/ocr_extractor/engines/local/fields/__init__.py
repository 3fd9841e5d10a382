"""Fields without an LLM: candidates of a page, ranked for each field and chosen together."""
