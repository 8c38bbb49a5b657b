"""From a suite to rows: one fresh process per cell, its limits and its verdict; stopping and resuming a run."""
