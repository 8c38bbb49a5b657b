"""Results as pages need them: one row per cell, per ratio, per point of a curve."""
