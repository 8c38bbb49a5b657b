"""Folders that a build writes, under the checkout, and their addresses under the site's."""

from __future__ import annotations

from pathlib import Path

THEME = Path("site/theme")  # under the checkout; MkDocs publishes its files
GENERATED_URL = "assets/generated/"  # under the site's address
GENERATED = THEME / GENERATED_URL
CACHE = Path(".site/cache")
