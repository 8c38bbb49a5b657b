"""Corpus ``stories``: short stories written by a seeded grammar, so that no download is needed."""
