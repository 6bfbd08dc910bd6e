"""Frames become one person's face."""
