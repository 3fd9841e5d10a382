"""Training of the local engine: truths for its stages, models, folds, figures."""
