"""Texts to train on, by name: each with its size, hash, licence and a fixed held-out part.

>>> from tinygpt.corpora import load_corpus
>>> corpus = load_corpus("stories")
"""

from tinygpt.corpora.corpus import Corpus
from tinygpt.corpora.memorization import memorization_warning
from tinygpt.corpora.table import CORPORA, CorpusEntry, absolute_name, load_corpus, require_corpus

__all__ = ["CORPORA", "Corpus", "CorpusEntry", "absolute_name", "load_corpus", "memorization_warning", "require_corpus"]
