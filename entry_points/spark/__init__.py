"""Parts of predict for documents that Spark reads."""
