"""Stage 1: clips become arrays on disk."""
