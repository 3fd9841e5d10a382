"""From the bytes of a document to its upright pages."""
