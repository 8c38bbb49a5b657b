"""The tasks of measuring and training, and their output."""
