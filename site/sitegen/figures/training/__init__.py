"""Figures of training runs: losses over the time, races, runs by the clock, and learning rates."""
