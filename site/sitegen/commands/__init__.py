"""The site's tasks."""
