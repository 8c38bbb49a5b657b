"""The step of a build that writes everything for other programs into the built site."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sitegen.api.articles import read_articles
from sitegen.api.badges import write_badges
from sitegen.api.comparisons import INDEX as COMPARED
from sitegen.api.comparisons import write_comparisons
from sitegen.api.feeds import posts_of, write_feeds
from sitegen.api.measurements import INDEX, LATEST, write_measurements
from sitegen.api.search import write_search
from sitegen.api.twins import write_twins
from sitegen.embedding.social import CARD
from sitegen.rows.results import Results
from sitegen.text.html_tree import Element
from sitegen.text.site_folders import GENERATED_URL

_DATA = {
    INDEX: "the files of measurements, and the names that they go by",
    COMPARED: "runs, commits and machines that can be compared, and the Parquet files of their rows",
    LATEST: "every published measurement that pages quote, with intervals and machines",
}


def publish_api(
    results: Results, folder: Path, site: Path, pages: Mapping[str, Element], site_url: str, summary: str
) -> None:
    """Write measurements, badges, comparisons, twins, ``llms.txt``, the search index, and feeds if it has an address.

    Args:
        results: all rows; programs get the published ones.
        folder: the results folder.
        site: the built folder.
        pages: its pages by the names of their files.
        site_url: its address, with a slash at the end, or empty.
        summary: one sentence on the site.
    """
    write_measurements(results.published, site)
    write_badges(results.published, site)
    write_comparisons(results, folder, site)
    articles = [*read_articles(pages, site_url)]
    write_twins(articles, site, site_url, summary, _DATA)
    write_search(articles, site)
    if site_url:  # entries of a feed have complete addresses
        write_feeds(posts_of(articles, site_url), site, site_url, summary, f"{site_url}{GENERATED_URL}{CARD}")
