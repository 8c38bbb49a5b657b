"""Adapt what Material makes where it has no option: regions of pages that have no name, and two places of its script.

Screen readers list the regions of a page by their names, so each region needs one, and what is no region should not be
listed.
"""

from __future__ import annotations

import re
from pathlib import Path

from sitegen.text.errors import SiteError

# Pattern, replacement.
_PAGES = (
    (r'(<div class="md-search"[^>]* role="dialog")', r'\1 aria-label="Search"'),
    # A label names a section of the navigation, and is empty if the section has a page of its own. Its title is not.
    (
        r'aria-labelledby="[^"]*"([^>]*>\s*<label class="md-nav__title"[^>]*>\s*<span[^>]*></span>\s*)([^<]*[^<\s])',
        r'aria-label="\2"\1\2',
    ),
    # The parts of a table of contents are not regions, and neither is the link below the beginning of a post.
    (r'<nav class="md-nav" aria-label="[^"]*">', r'<nav class="md-nav" role="none">'),
    (r'<nav class="md-post__action">', r'<nav class="md-post__action" role="none">'),
    # A post's page has two more regions.
    (r'<nav class="md-nav md-nav--primary">', r'<nav class="md-nav md-nav--primary" aria-label="Post">'),
    (r'<nav class="md-nav">', r'<nav class="md-nav" aria-label="About the post">'),
)
# Text, replacement.
_SCRIPT = (
    # Feeds and oEmbed records, whose links have no language, are not translations of the site. Material would fetch a
    # site map beside each of them, from another host wherever the site is tried out.
    ("link[rel=alternate]", "link[rel=alternate][hreflang]"),
    # The place of a copy button is not navigation.
    ('"nav",{class:"md-code__nav"', '"div",{class:"md-code__nav"'),
)


def adapt_material(site: Path) -> None:
    """Rewrite the pages and the script of a site that MkDocs has just built.

    Raises:
        SiteError: Material's script is another than the one that is adapted here.
    """
    for page in site.rglob("*.html"):
        page.write_text(with_names(page.read_text("utf-8")), "utf-8")
    for script in site.glob("assets/javascripts/bundle.*.js"):
        text = script.read_text("utf-8")
        for found, wanted in _SCRIPT:
            if found not in text:
                raise SiteError(f"{script.name} does not have {found}", "the script of Material 9.8")
            text = text.replace(found, wanted)
        script.write_text(text, "utf-8")


def with_names(page: str) -> str:
    """Name the regions of a page, and take the role from what is not a region."""
    for pattern, replacement in _PAGES:
        page = re.sub(pattern, replacement, page)
    return page
