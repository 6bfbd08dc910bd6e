"""Adaptation to a person by unlabelled clips: README.md explains the method."""
