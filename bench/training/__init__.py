"""Training that is recorded: runs, races, sweeps, the gallery's models, and advice before time is spent."""
