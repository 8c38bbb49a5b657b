"""Small experiments on the library's own functions, for the pages of docs/learn: seeded, and done in a moment."""
