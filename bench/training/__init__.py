"""Recorded training: runs, races, sweeps and gallery models, and advice on what to train."""
