"""The HTTP server around a logged extractor: requests, answers, errors."""
