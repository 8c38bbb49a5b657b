"""Documents as readers use them: the Q&A log's filter and its permanent links, and numbers that lead to their rows."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser.watching import Watched, shown_texts


def test_the_log_is_filtered_by_words_and_phase_and_permanent_links_win(browser: Browser, address: str) -> None:
    context = browser.new_context()
    watched = Watched(context)
    page = watched.page
    page.goto(address + "qa_log/")
    entries, listed = page.locator(".md-typeset h3"), page.locator(".tg-qa li")
    total = entries.count()
    assert listed.count() == total > 20
    page.get_by_label("Words").fill("STREAMED tokens")
    expect(page.locator(".tg-qa li:visible")).to_have_count(page.locator(".md-typeset h3:visible").count())
    shown = page.locator(".tg-qa li:visible").count()
    assert 0 < shown < total
    expect(page.locator("#streamed")).to_be_visible()
    expect(page.locator("#why-bytes")).to_be_hidden()
    expect(page.locator(".tg-qa output")).to_have_text(f"{shown} of {total} questions")
    page.locator(".tg-qa select").select_option(index=1)
    expect(page.locator("#streamed")).to_be_hidden()
    page.evaluate("location.hash = '#why-bytes'")
    expect(page.locator("#why-bytes")).to_be_in_viewport()
    expect(page.locator(".tg-qa output")).to_have_text(f"{total} questions")
    assert watched.complaints == []
    context.close()


def test_without_scripts_the_log_is_a_list_and_numbers_still_lead_to_their_rows(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "qa_log/")
    assert page.locator(".tg-qa li:visible").count() == page.locator(".md-typeset h3:visible").count()
    expect(page.get_by_label("Words")).to_be_hidden()
    page.goto(address + "retrospective/")
    number = page.locator("a.tg-number").first
    text = number.inner_text()
    number.click()
    expect(page.locator("code:target")).to_be_visible()
    [row] = shown_texts(page.locator("tr", has=page.locator("code:target")))
    assert text.lower() in row
    context.close()
