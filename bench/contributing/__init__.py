"""Packs: one file with the rows of a run, made on one machine and added to the record of another checkout."""
