"""Parts of predict: the documents that it finds, the file that it writes, its counts."""
