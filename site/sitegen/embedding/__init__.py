"""Figures on other sites: frames, snippets and pinned states; icons and the social card."""
