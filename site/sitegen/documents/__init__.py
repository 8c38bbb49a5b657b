"""The Markdown pages as data: what they quote, name and promise, and whether it holds."""
