"""Stage 2: more training data from the training clips, never test data."""
