"""Measured numbers in prose, by name."""
