"""Rows to medians, intervals and ratios, and which of several runs a page quotes. Nothing here is stored."""
