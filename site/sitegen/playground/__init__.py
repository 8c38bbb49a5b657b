"""The page that trains in the browser: its compiled kernels, its models, its data."""
