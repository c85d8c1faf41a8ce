"""Measurements of the running service; every figure is a ratio of two things measured side by side."""
