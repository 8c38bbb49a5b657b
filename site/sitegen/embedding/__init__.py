"""Figures on other people's pages: frames, snippets, pinned states, the social card."""
