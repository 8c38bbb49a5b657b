"""Measured figures in prose, by name."""
