"""The room that travels: everything a logged form extractor needs to run."""
