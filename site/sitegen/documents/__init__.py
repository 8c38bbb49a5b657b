"""The Markdown pages as data: the numbers that they quote, the names that they use, and checks of both."""
