"""Figures embedded in a page of another site, on another port, in the forms that the site offers for copying."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Frame, Page

from sitegen.build.site import BuiltSite
from sitegen.commands.serve import serve_folder
from tests.browser.watching import one_ahead, wait_until

WIDTHS = (320, 700, 1200)
FORMS = ("with the script", "without the script", "in the strictest sandbox", "oembed")
LIVE = ".tg-chart--live"
FILLED = """Math.abs(document.body.getBoundingClientRect().height - window.innerHeight) < 2
    && document.documentElement.scrollHeight <= window.innerHeight
    && document.documentElement.scrollWidth <= window.innerWidth"""


@pytest.fixture(scope="module")
def forms(built: BuiltSite, published: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a folder with a page for each form."""
    folder = tmp_path_factory.mktemp("foreign")
    page = (built.output / "embed/index.html").read_text()
    texts = map(html.unescape, re.findall(r"<code>(.*?)</code>", page, re.DOTALL))
    with_script = next(text for text in texts if text.startswith("<iframe") and "embed.js" in text)
    (frame,) = re.findall(r"<iframe.*?</iframe>", with_script)
    strict = re.sub(r'sandbox="[^"]*"', 'sandbox="allow-scripts"', frame)
    record = json.loads((built.output / "oembed-speedup.json").read_text())
    for name, pasted in zip(FORMS, (with_script, frame, strict, record["html"]), strict=True):
        assert published in pasted
        _write(folder / f"{name}.html", pasted)
    for figure in built.figures:
        _write(folder / f"{figure}.html", frame.replace("embed/speedup/", f"embed/{figure}/"))
    with serve_folder(folder) as url:
        yield url


def _write(path: Path, pasted: str) -> None:
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Elsewhere</title>'
        f'<body style="margin:0"><p>Before.</p>{pasted}<p>After.</p></body></html>',
        encoding="utf-8",
    )


def opened(page: Page, address: str, width: int) -> Frame:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    return filled(page)


def filled(page: Page) -> Frame:
    """The frame, once it has the height of its content."""
    page.locator("iframe").scroll_into_view_if_needed()
    frame = page.frames[1]
    frame.locator(LIVE).wait_for()
    wait_until(frame, FILLED)
    return frame


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("form", FORMS)
def test_a_frame_is_whole_titled_and_attributed_at_every_width(
    browser: Browser, forms: str, published: str, form: str, scheme: str
) -> None:
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    for width in WIDTHS:
        frame = opened(page, f"{forms}{form}.html", width)
        assert frame.locator(".tg-chart").get_attribute("data-scheme") == scheme
        assert page.locator("iframe").get_attribute("title") == frame.locator("h1").inner_text()
        source = frame.locator(".tg-figure__source").inner_text()
        for part in ("TinyGPT", "Example 9000", "2026", published.partition("://")[2].rstrip("/")):
            assert part in source, (width, part)
        plot = frame.locator("svg.marks").bounding_box()
        assert plot
        assert plot["height"] > 180, width
    context.close()


def test_the_height_that_a_frame_declares_is_about_the_one_that_it_needs(browser: Browser, forms: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    frame = opened(page, f"{forms}without the script.html", 560)
    declared = int(page.locator("iframe").get_attribute("height") or 0)
    page.evaluate("addEventListener('message', (event) => { window.needed = event.data.height; })")
    frame.evaluate("dispatchEvent(new Event('resize'))")
    wait_until(page, "window.needed > 0")
    assert abs(page.evaluate("window.needed") - declared) < 60
    context.close()


def test_no_figure_is_cut_in_a_narrow_frame_without_the_script(browser: Browser, forms: str, built: BuiltSite) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 900})

    def opening(figure: str) -> Page:
        page = context.new_page()
        page.goto(f"{forms}{figure}.html", wait_until="commit")
        return page

    for page in one_ahead(map(opening, built.figures)):
        filled(page)
        page.close()
    context.close()
