"""Pages on paper."""

from __future__ import annotations

import re

from playwright.sync_api import Page

_LONG = """(rows) => {
    for (const body of document.querySelectorAll(".tg-table tbody")) {
        const own = [...body.rows];
        while (body.rows.length < rows) body.append(...own.map((row) => row.cloneNode(true)));
    }
}"""


def sheets(page: Page) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))


def test_long_tables_do_not_take_dozens_of_sheets(speedup_page: Page) -> None:
    sheets(speedup_page)  # the first print brings all figures into view, where their charts take their pictures' places
    speedup_page.wait_for_load_state("networkidle")
    speedup_page.evaluate(_LONG, 12)
    short = sheets(speedup_page)
    speedup_page.evaluate(_LONG, 300)
    assert sheets(speedup_page) <= short + 1
