"""Checkpoint folders that transformers reads: weights, shape, training state, and earlier checkpoints."""
