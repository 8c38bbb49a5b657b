"""From results and pages to a site: preparation, macros for MkDocs, smaller files, checks of the output."""
