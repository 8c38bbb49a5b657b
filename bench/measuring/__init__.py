"""From a suite to rows: one fresh process per cell, its limits and its end; stopping and resuming a run."""
