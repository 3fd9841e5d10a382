"""The review page: a journal of what people decide, the server, and the page itself."""
