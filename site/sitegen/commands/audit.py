"""Audit the built site with Lighthouse, as on a phone, and with the W3C's HTML checker.

Both are npm packages, installed once from ``site/audit/package-lock.json`` into a folder that git ignores. Lighthouse
needs Node and Chromium, the checker needs Java. Cheaper checks (axe-core, requests, sizes) are in the browser tests.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sitegen.commands.chromium import find_chromium
from sitegen.commands.serve import make_server, running
from sitegen.playground.npm import find_program, install_packages
from sitegen.text.errors import SiteError

# Under the checkout. Lighthouse stays at 12, because 13 needs a newer Node than Debian has. Two of its dependencies are
# "latest", which a lock cannot pin; package.json overrides them.
SOURCES = Path("site/audit")
FOLDER = Path(".site/audit")

EVERY_PAGE = MappingProxyType({"accessibility": 95, "best-practices": 100, "seo": 100})
PERFORMANCE = MappingProxyType({"": 95, "speedup/": 92, "playground/": 90})  # page → points; the median of three runs
_RUNS = 3
# Pages for frames have a noindex: search engines need not find them.
_UNLISTED = ("embed/", "pinned/")

# Reports that are not about our HTML: pattern, origin.
KNOWN_REPORTS = (
    (r"Attribute “autocomplete” is only allowed when", "Material's switches for drawer and search"),
    (r"Bad value “” for attribute “tabindex” on element “label”", "Material's navigation"),
    (r"The value of the “for” attribute of the “label” element must be", "Material's contents without entries"),
    (r"Attribute “(displaystyle|scriptlevel)” not allowed on element “m", "MathML Core allows them on every element"),
)


@dataclass(frozen=True)
class PageScores:
    """Lighthouse's scores of one page.

    Attributes:
        page: address relative to the site's; empty for the home page.
        scores: category → points out of 100.
        goals: category → required points.
        failed: audits that cost points in a category that misses its goal, with details.
    """

    page: str
    scores: Mapping[str, int]
    goals: Mapping[str, int]
    failed: tuple[str, ...]

    @property
    def missed(self) -> bool:
        """True if a category is below its goal."""
        return any(self.scores[category] < goal for category, goal in self.goals.items())


@dataclass(frozen=True)
class AuditLine:
    """A line of the audit's output; ``missed`` if it reports a missed goal."""

    text: str
    missed: bool


def audit_site(root: Path, site: Path, pages: Sequence[str] = ()) -> Iterator[AuditLine]:
    """Check the HTML of all pages, then score them with Lighthouse; yields each line as soon as it is known.

    Args:
        root: the checkout.
        site: the built folder.
        pages: addresses for Lighthouse, or "home"; all pages when empty.

    Raises:
        SiteError: nothing is built, a page does not exist, or a tool did not run.
        MissingDependencyError: npm, Java, Node or a browser is not installed.
    """
    built = pages_of(site)
    chosen = [name.removesuffix("home") for name in pages] or built
    unknown = [name for name in chosen if name not in built]
    if unknown or not built:
        raise SiteError(f"there is no page {', '.join(unknown)} in {site.name}", "pages of a built site", "invoke site")
    for problem in check_html(root, site):
        yield AuditLine(f"HTML    {problem}", missed=True)
    for scored in score_pages(root, site, chosen):
        points = ", ".join(f"{category} {value}" for category, value in scored.scores.items())
        yield AuditLine(f"{'missed' if scored.missed else 'fine  '}  {scored.page or 'home'}: {points}", scored.missed)
        for reason in scored.failed:
            yield AuditLine(f"        {reason}", missed=False)


def pages_of(site: Path) -> list[str]:
    """Addresses of all pages, relative to the site's."""
    return [path.relative_to(site).as_posix().removesuffix("index.html") for path in sorted(site.rglob("*.html"))]


def check_html(root: Path, site: Path) -> list[str]:
    """Run the W3C's checker; return the errors in our HTML, each as one line with file and line number.

    Raises:
        MissingDependencyError: npm or Java is not installed.
        SiteError: the checker did not run.
    """
    java = find_program("java", "apt-get install default-jre-headless")
    jar = install_packages(root / SOURCES, root / FOLDER) / "vnu-jar/build/dist/vnu.jar"
    command = [java, "-jar", str(jar), "--format", "json", "--skip-non-html", "--exit-zero-always", str(site)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        messages = json.loads(done.stderr)["messages"]
    except (ValueError, KeyError):
        raise SiteError(f"the HTML checker stopped: {(done.stderr or done.stdout).strip()[-300:]}") from None
    return [
        f"{message['url'].partition(site.name + '/')[2]}, line {message.get('lastLine', '?')}: {message['message']}"
        for message in messages
        if message["type"] == "error" and not any(re.search(known, message["message"]) for known, _ in KNOWN_REPORTS)
    ]


def score_pages(root: Path, site: Path, pages: list[str]) -> Iterator[PageScores]:
    """Run Lighthouse on pages of a built site, as on a phone; yields each page as soon as it is scored.

    Args:
        root: the checkout.
        site: the built folder; it is served compressed, as hosts of static sites do.
        pages: addresses relative to the site's.

    Raises:
        MissingDependencyError: npm, Node or a browser is not installed.
        SiteError: Lighthouse did not run.
    """
    chrome = find_chromium("Lighthouse")
    program = install_packages(root / SOURCES, root / FOLDER) / "lighthouse/cli/index.js"
    with running(make_server(site)) as address:
        for page in pages:
            yield _score(page, address + page, program, chrome)


def goals_of(page: str) -> dict[str, int]:
    """The required points of a page, by category."""
    goals = dict(EVERY_PAGE)
    if page.startswith(_UNLISTED) or page == "404.html":
        del goals["seo"]
    if page in PERFORMANCE:
        goals["performance"] = PERFORMANCE[page]
    return goals


def _score(page: str, address: str, program: Path, chrome: str) -> PageScores:
    goals = goals_of(page)
    reports = [_run_lighthouse(address, program, chrome, [*goals]) for _ in range(_RUNS if page in PERFORMANCE else 1)]
    scores = {
        category: round(100 * statistics.median(report["categories"][category]["score"] for report in reports))
        for category in goals
    }
    low = [category for category, goal in goals.items() if scores[category] < goal]
    failed = [reason for category in low for reason in _reasons(reports[-1], category)]
    return PageScores(page, scores, goals, tuple(dict.fromkeys(failed)))


def _run_lighthouse(address: str, program: Path, chrome: str, categories: list[str]) -> dict[str, Any]:
    flags = "--headless=new --no-sandbox --disable-gpu --disable-background-networking"
    command = [
        find_program("node", "apt-get install nodejs"), str(program), address, "--quiet", "--output=json",
        f"--chrome-flags={flags}", f"--only-categories={','.join(categories)}",
    ]  # fmt: skip
    done = subprocess.run(
        command, env=os.environ | {"CHROME_PATH": chrome}, capture_output=True, text=True, check=False, timeout=300
    )
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise SiteError(f"Lighthouse on {address} stopped: {done.stderr.strip()[-300:]}") from None
    if "runtimeError" in report:
        raise SiteError(f"Lighthouse on {address}: {report['runtimeError']['message']}")
    return report


def _reasons(report: dict[str, Any], category: str) -> Iterator[str]:
    """The audits that cost a category points: title, value, and the first element that they name."""
    for reference in report["categories"][category]["auditRefs"]:
        audit = report["audits"][reference["id"]]
        if reference["weight"] and audit["score"] is not None and audit["score"] < 1:
            items = (audit.get("details") or {}).get("items") or [{}]
            place = (items[0].get("node") or {}).get("snippet", "") if isinstance(items[0], dict) else ""
            yield " ".join(filter(None, (audit["title"], audit.get("displayValue", ""), place[:120])))
