"""The step of a build that writes everything for other programs into the built site."""

from __future__ import annotations

from pathlib import Path

from sitegen.api.badges import write_badges
from sitegen.api.comparisons import INDEX as COMPARED
from sitegen.api.comparisons import write_comparisons
from sitegen.api.feeds import JSON_FEED, RSS, posts_of, write_feeds
from sitegen.api.measurements import INDEX, LATEST, write_measurements
from sitegen.api.twins import Link, add_links, built_articles, write_twins
from sitegen.embedding.social import CARD
from sitegen.rows.results import Results
from sitegen.text.site_folders import GENERATED_URL

_DATA = {
    INDEX: "the files of measurements, and the names that they go by",
    COMPARED: "runs, commits and machines that can be compared, and the Parquet files of their rows",
    LATEST: "every published measurement that pages quote, with intervals and machines",
}


def publish_api(results: Results, folder: Path, site: Path, site_url: str, summary: str) -> None:
    """Write measurements, badges, comparisons, twins, ``llms.txt`` and, if the site's address is known, the feeds.

    Args:
        results: all rows; programs get the published ones.
        folder: the results folder.
        site: the built folder.
        site_url: its address, with a slash at the end, or empty.
        summary: one sentence on the site.
    """
    write_measurements(results.published, site)
    write_badges(results.published, site)
    write_comparisons(results, folder, site)
    pages = [*built_articles(site, site_url)]
    write_twins(pages, site, site_url, summary, _DATA)
    links = [Link("text/markdown", "index.md", "This page in Markdown", beside=True)]
    if site_url:  # entries of a feed have complete addresses
        write_feeds(posts_of(pages, site_url), site, site_url, summary, f"{site_url}{GENERATED_URL}{CARD}")
        links += [
            Link("application/rss+xml", RSS, "Devlog, whole posts"),
            Link("application/feed+json", JSON_FEED, "Devlog, whole posts"),
        ]
    add_links(pages, links)
