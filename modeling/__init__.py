"""Stage 3: arrays become models, runs and comparisons."""
