"""Reading documents through an LLM provider's Batch API: hours later, at half the price."""
