"""Audits of the built site by the tools that the field trusts: Lighthouse as on a phone, and the W3C's HTML checker.

Both are npm packages. They are installed once, as ``site/audit/package-lock.json`` names them, into a folder that git
ignores; Lighthouse needs Node and Chromium, the checker needs Java. What a browser can tell cheaply (axe-core,
requests, weights) is in the browser tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sitegen.commands.chromium import find_chromium
from sitegen.commands.serve import HOST, make_server
from sitegen.playground.npm import install_packages
from sitegen.text.errors import SiteError
from tinygpt.errors import MissingDependencyError

# Under the checkout. Lighthouse stays at 12: its successor wants a newer Node than Debian has. Two packages that it
# asks for as "latest", which no lock can hold, are overridden.
SOURCES = Path("site/audit")
FOLDER = Path(".site/audit")

EVERY_PAGE = MappingProxyType({"accessibility": 95, "best-practices": 100, "seo": 100})
PERFORMANCE = MappingProxyType({"": 95, "speedup/": 90})  # page → points; both are the middle one of three runs
_RUNS = 3
# A figure's page for frames is not meant to be found by search engines, and says so.
_UNLISTED = ("embed/", "pinned/")

# Reports that are not about our HTML, and why.
KNOWN_REPORTS = (
    (r"Attribute “autocomplete” is only allowed when", "Material's switches for drawer and search"),
    (r"Bad value “” for attribute “tabindex” on element “label”", "Material's navigation"),
    (r"The value of the “for” attribute of the “label” element must be", "Material's contents without entries"),
    (r"Attribute “(displaystyle|scriptlevel)” not allowed on element “m", "MathML Core allows them on every element"),
)


@dataclass(frozen=True)
class PageScores:
    """Lighthouse's verdict on one page.

    Attributes:
        page: address below the site's; empty for the home page.
        scores: category → points out of 100.
        goals: category → points that are required.
        failed: audits that cost points in a category that misses its goal, with what they saw.
    """

    page: str
    scores: Mapping[str, int]
    goals: Mapping[str, int]
    failed: tuple[str, ...]

    @property
    def missed(self) -> bool:
        """Whether a category is below its goal."""
        return any(self.scores[category] < goal for category, goal in self.goals.items())


@dataclass(frozen=True)
class AuditLine:
    """A line of the audit, and whether it is about a goal that was missed."""

    text: str
    missed: bool


def audit_site(root: Path, site: Path, pages: Sequence[str] = ()) -> Iterator[AuditLine]:
    """Check the HTML of all pages and let Lighthouse score them; yields as they are done.

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
    """Addresses of all pages, below the site's own."""
    return [path.relative_to(site).as_posix().removesuffix("index.html") for path in sorted(site.rglob("*.html"))]


def check_html(root: Path, site: Path) -> list[str]:
    """Errors of the W3C's checker that are ours, each as one line naming file and line.

    Raises:
        MissingDependencyError: npm or Java is not installed.
        SiteError: the checker did not run.
    """
    java = _program("java", "apt-get install default-jre-headless")
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
    """Run Lighthouse on pages of a built site, as on a phone; yields as they are done.

    Args:
        root: the checkout.
        site: the built folder; it is served compressed, as a host of static sites does.
        pages: addresses below the site's own.

    Raises:
        MissingDependencyError: npm, Node or a browser is not installed.
        SiteError: Lighthouse did not run.
    """
    chrome = find_chromium("Lighthouse")
    program = install_packages(root / SOURCES, root / FOLDER) / "lighthouse/cli/index.js"
    with make_server(site) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            for page in pages:
                address = f"http://{HOST}:{server.server_address[1]}/{page}"
                yield _score(page, address, program, chrome)
        finally:
            server.shutdown()
            thread.join()


def goals_of(page: str) -> dict[str, int]:
    """The points that a page must reach, by category."""
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
        _program("node", "apt-get install nodejs"), str(program), address, "--quiet", "--output=json",
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
    """The audits that cost a category points: name, what was seen, and the first place."""
    for reference in report["categories"][category]["auditRefs"]:
        audit = report["audits"][reference["id"]]
        if reference["weight"] and audit["score"] is not None and audit["score"] < 1:
            items = (audit.get("details") or {}).get("items") or [{}]
            place = (items[0].get("node") or {}).get("snippet", "") if isinstance(items[0], dict) else ""
            yield " ".join(filter(None, (audit["title"], audit.get("displayValue", ""), place[:120])))


def _program(name: str, install: str) -> str:
    """Path of a program.

    Raises:
        MissingDependencyError: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise MissingDependencyError(f"this audit needs {name}, which is not installed", run=install)
    return found
