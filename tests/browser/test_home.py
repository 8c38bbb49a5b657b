"""The home page: a recorded text that is typed out, and a model that writes only when the reader asks for it."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from playwright.sync_api import Browser

from sitegen.tables.gallery import gallery_cards
from sitegen.tables.writing import best_card
from tests.browser.watching import Watched, read_first_chart, wait_until

# Bytes over the wire, compressed: style, script, fonts and the picture of the curve.
FIRST_SIGHT = MappingProxyType({"": 115_000, "speedup/": 125_000})


@pytest.mark.parametrize("place", FIRST_SIGHT)
def test_the_charts_library_waits_until_a_reader_is_at_the_curve(watched: Watched, address: str, place: str) -> None:
    page = watched.page
    page.goto(address + place)
    page.wait_for_load_state("networkidle")
    assert watched.bytes_received() < FIRST_SIGHT[place]
    assert not [url for url in watched.requests if "/vendor/" in url]
    assert page.locator("#figure-speedup img.tg-only-light").is_visible()
    read_first_chart(page)
    assert watched.complaints == []


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_recorded_text_is_whole_at_once_or_typed_out_in_place(browser: Browser, address: str, motion: str) -> None:
    with browser.new_context(reduced_motion=motion) as context:  # type: ignore[arg-type]
        watched = Watched(context)
        page = watched.page
        page.goto(address)
        text = page.locator(".tg-writing pre")
        page.locator(".tg-writing__live button").wait_for()
        recorded = str(best_card(gallery_cards()).evaluation["texts"][0])
        assert recorded.startswith(str(text.evaluate("element => element.textContent")))
        rest = "(document.querySelector('.tg-writing__rest')?.textContent ?? '').length"
        height = text.evaluate("element => element.scrollHeight")
        if motion == "reduce":
            assert page.evaluate(rest) == 0
        else:
            first = page.evaluate(rest)
            assert first > 0
            wait_until(page, f"{rest} < {first}")
        assert text.evaluate("element => element.scrollHeight") == height
        assert not [url for url in watched.requests if "/playground/" in url]


def test_the_model_is_fetched_and_writes_when_it_is_asked_to(browser: Browser, address: str) -> None:
    with browser.new_context(reduced_motion="reduce") as context:
        watched = Watched(context)
        page = watched.page
        page.goto(address)
        recorded = page.locator(".tg-writing pre").inner_text()
        page.get_by_role("button", name="Let it write").click()
        page.locator(".tg-writing__live span", has_text="written in this tab").wait_for()
        assert page.locator(".tg-writing pre").inner_text() != recorded
        assert [url for url in watched.requests if url.endswith(f"/{best_card(gallery_cards()).name}.safetensors")]
        assert watched.foreign(address) == []
        assert watched.complaints == []
