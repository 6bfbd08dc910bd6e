"""Notebooks run in order: ``python -m modeling.pipeline``."""
