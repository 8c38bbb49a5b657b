"""The devlog's feeds: whole posts, newest first, as RSS 2.0 and JSON Feed 1.1.

    DEVLOG/YYYY/MM/DD/SLUG/index.html  ─►  feed_rss_created.xml, feed_json_created.json

The posts are read from the built pages, so they hold the numbers, tables and pictures that their readers see.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as etree
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from sitegen.api.articles import Article
from sitegen.embedding.embed_pages import DEVLOG
from sitegen.figures.grammar.words import PROJECT
from sitegen.text.html_tree import Element

RSS, JSON_FEED = "feed_rss_created.xml", "feed_json_created.json"
TITLE = f"{PROJECT} devlog"
_POST = re.compile(rf"{DEVLOG}/(\d{{4}})/(\d\d)/(\d\d)/[^/]+/")
_EMPTY_LINES = re.compile(r"\n\s*\n")
_CONTENT = "http://purl.org/rss/1.0/modules/content/"
_ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True)
class Post:
    """A post: its address, title, summary, date, and its content as HTML with complete addresses."""

    url: str
    title: str
    summary: str
    date: datetime
    content: str


def posts_of(articles: Iterable[Article], site_url: str) -> list[Post]:
    """The posts among the pages of a site, newest first."""
    found = []
    for article in articles:
        if dated := _POST.fullmatch(article.url):
            year, month, day = map(int, dated.groups())
            date = datetime(year, month, day, tzinfo=UTC)
            content = _EMPTY_LINES.sub("\n", _without_title(article.content).inner_html()).strip()
            found.append(Post(site_url + article.url, article.title, article.description, date, content))
    return sorted(found, key=lambda post: (post.date, post.url), reverse=True)


def _without_title(content: Element) -> Element:
    """An article without its first heading, which feeds have as the title."""
    title = content.find("h1")
    return content.without(lambda _, child: child is title)


def write_feeds(posts: list[Post], site: Path, site_url: str, summary: str, picture: str) -> None:
    """Write both feeds.

    Args:
        posts: newest first.
        summary: one sentence on the site.
        picture: complete address of the site's card.
    """
    (site / RSS).write_bytes(_rss(posts, site_url, summary, picture))
    (site / JSON_FEED).write_text(_json_feed(posts, site_url, summary, picture), encoding="utf-8")


def _rss(posts: list[Post], site_url: str, summary: str, picture: str) -> bytes:
    for prefix, name in (("content", _CONTENT), ("atom", _ATOM)):
        etree.register_namespace(prefix, name)
    rss = etree.Element("rss", version="2.0")
    channel = etree.SubElement(rss, "channel")
    _texts(channel, title=TITLE, link=f"{site_url}{DEVLOG}/", description=summary, language="en")
    etree.SubElement(channel, f"{{{_ATOM}}}link", href=site_url + RSS, rel="self", type="application/rss+xml")
    _texts(etree.SubElement(channel, "image"), url=picture, title=TITLE, link=f"{site_url}{DEVLOG}/")
    for post in posts:
        item = etree.SubElement(channel, "item")
        _texts(item, title=post.title, link=post.url, guid=post.url, description=post.summary)
        _texts(item, pubDate=format_datetime(post.date), **{f"{{{_CONTENT}}}encoded": post.content})
    etree.indent(rss)
    return etree.tostring(rss, encoding="utf-8", xml_declaration=True)


def _texts(parent: etree.Element, **texts: str) -> None:
    for tag, text in texts.items():
        etree.SubElement(parent, tag).text = text


def _json_feed(posts: list[Post], site_url: str, summary: str, picture: str) -> str:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": TITLE,
        "description": summary,
        "home_page_url": f"{site_url}{DEVLOG}/",
        "feed_url": site_url + JSON_FEED,
        "icon": picture,
        "language": "en",
        "items": [
            {
                "id": post.url,
                "url": post.url,
                "title": post.title,
                "summary": post.summary,
                "date_published": post.date.isoformat(),
                "content_html": post.content,
            }
            for post in posts
        ],
    }
    return json.dumps(feed, ensure_ascii=False, indent=1)
