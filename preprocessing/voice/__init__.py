"""Sound becomes numbers."""
