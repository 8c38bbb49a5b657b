"""Generated tables, by name."""
