"""A file becomes frames and sound on one clock."""
