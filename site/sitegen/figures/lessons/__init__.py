"""Figures of docs/learn and docs/derivations, which are computed from the code and need no measured rows."""
