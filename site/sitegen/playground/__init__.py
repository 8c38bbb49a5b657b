"""The page that trains in the browser: its compiled kernels, models and data."""
