"""The pipeline's tasks and what they print."""
