"""Results in the form that pages need: one row per cell, per ratio, per point of a curve."""
