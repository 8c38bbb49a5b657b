"""A training run: its plan, the loop that yields step records, evaluation and checkpoints on the way, and resuming."""
