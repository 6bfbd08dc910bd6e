"""Several branches become one answer."""
