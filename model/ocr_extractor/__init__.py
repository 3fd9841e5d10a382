"""The package that travels with the logged model: all that a form extractor needs to run."""
