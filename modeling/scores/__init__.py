"""How good a prediction is, and how sure that is."""
