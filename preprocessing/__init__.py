"""Stage 1: clips become arrays on disk."""

from preprocessing.notebook_errors import show_lines_first

show_lines_first()
