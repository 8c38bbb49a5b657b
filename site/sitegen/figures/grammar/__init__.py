"""One visual grammar for all figures: words around a chart, names of lines, pictures of both."""
