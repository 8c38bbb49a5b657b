"""Where a build writes: folders under the checkout, and what they are called under the site's address."""

from __future__ import annotations

from pathlib import Path

THEME = Path("site/theme")  # under the checkout; MkDocs publishes what lies in it


GENERATED_URL = "assets/generated/"  # under the site's address


GENERATED = THEME / GENERATED_URL


CACHE = Path(".site/cache")
