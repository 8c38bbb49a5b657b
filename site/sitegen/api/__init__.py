"""The site for other programs: measurements as JSON, badges, Markdown twins of pages, the devlog's feeds."""
