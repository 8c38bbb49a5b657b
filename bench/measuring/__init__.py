"""From a suite to rows: one fresh process per cell, its limits, its verdict, and what a run does when it is stopped."""
