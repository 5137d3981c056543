"""Market predictor: a small service and worker to watch, to break and to see healed."""
