"""A browser that is watched: what it asks for, what it complains about, and whether foreign code ran in it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from playwright.sync_api import BrowserContext, Frame, Locator, Page, Request

Item = TypeVar("Item")
# Every attack of the example site does one of these when it runs.
HACKED = "document.title === 'hacked' || window.hacked === true"

# Pairs of texts of a chart that cover each other, but for the edges of their boxes.
OVERLAPS = """(() => {
    const shown = [...document.querySelectorAll(".tg-plot svg text")].filter(
        (text) => text.textContent.trim() && getComputedStyle(text).opacity > 0 && text.getAttribute("opacity") !== "0"
    );
    const boxes = shown.map((text) => [text.textContent, text.getBoundingClientRect()]);
    const found = [];
    for (const [i, [one, a]] of boxes.entries())
        for (const [other, b] of boxes.slice(i + 1)) {
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (across > 2 && down > 4) found.push(`${one} / ${other}`);
        }
    return found;
})()"""
# Lines of a chart that have no stroke, or that of the background.
UNSEEN_LINES = """(() => {
    const back = getComputedStyle(document.body).backgroundColor;
    const lines = [...document.querySelectorAll(".tg-plot .mark-line path")];
    const strokes = lines.map((path) => getComputedStyle(path).stroke);
    return strokes.filter((stroke) => stroke === "none" || stroke === back).length;
})()"""


class Watched:
    """A page whose requests and console are kept."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._answered: list[Request] = []
        self.page.on("requestfinished", lambda request: self._answered.append(request))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type in {"error", "warning"} else None,
        )

    def bytes_received(self, but: str = "") -> int:
        """Bodies of all answers so far as they came over the wire, compressed; without addresses that hold ``but``."""
        counted = [request for request in self._answered if not but or but not in request.url]
        return sum(request.sizes()["responseBodySize"] for request in counted)

    def foreign(self, *addresses: str) -> list[str]:
        """Requests to anything but the servers under test."""
        return [url for url in self.requests if not url.startswith((*addresses, "data:", "blob:"))]


def buttons(figure: Locator | Frame, name: str = "Baseline") -> Locator:
    """The row of buttons of a choice."""
    return figure.get_by_role("group", name=name, exact=True)


def chosen(figure: Locator | Frame) -> str:
    """The baseline of a figure."""
    return buttons(figure).locator("input:checked").input_value()


def choose(figure: Locator | Frame, option: str) -> None:
    """Choose another baseline."""
    buttons(figure).locator(f"input[value='{option}']").check(force=True)


def read_first_chart(page: Page) -> None:
    """Bring the first chart to where it is read, and wait until it is live."""
    chart = page.locator(".tg-chart").first
    # In the middle: the header covers what is at the top.
    chart.evaluate("chart => chart.scrollIntoView({ block: 'center' })")
    chart.and_(page.locator(".tg-chart--live")).wait_for()


def wait_until(frame: Page | Frame, condition: str, seconds: float = 20.0) -> None:
    """Wait for a condition in a page whose policy forbids evaluating text, as Playwright's own waiting does."""
    deadline = time.monotonic() + seconds
    while not frame.evaluate(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, each given out once the next one is made: a page loads while the one before it is looked at."""
    waiting: list[Item] = []
    for item in items:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting


def shown_texts(elements: Locator) -> list[str]:
    """Return the texts of those elements that are shown, in small letters, all read at one moment.

    The browser skips the contents of a long table that is out of view (site.css). Until it lays them out they have no
    inner text, and Playwright, which asks for one row after the other, may get that of some rows only.
    """
    return list(
        elements.evaluate_all(
            "(all) => all.filter((one) => one.checkVisibility()).map((one) => one.textContent.toLowerCase())"
        )
    )


def scroll_through(page: Page) -> None:
    """Bring everything into view once, as a reader would."""
    page.evaluate(
        """async () => {
            for (let y = 0; y < document.body.scrollHeight; y += 500) {
                window.scrollTo(0, y);
                await new Promise((done) => setTimeout(done, 20));
            }
        }"""
    )
