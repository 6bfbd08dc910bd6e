"""Read a clip of your own: who looks and sounds how, and when."""
