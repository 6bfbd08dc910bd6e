"""Expressions of faces: the network, its data, what others saw."""
