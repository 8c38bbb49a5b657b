"""The terminal: the live view, tables of runs, streamed samples, and the tasks."""
