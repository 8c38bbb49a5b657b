"""Results and pages to a site: prepare, MkDocs with the macros, lighter files, checks of what was built."""
