"""Figures of the record itself: over the commits of this project, and over people's machines."""
