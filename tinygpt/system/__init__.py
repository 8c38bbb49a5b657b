"""The operating system: threads and their limits, processes, locks, and files that appear whole or not at all."""
