"""The playground as one view: what a link opens, what a first visit is told, and a model that is seen as it learns."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from sitegen.commands.serve import serve_folder
from tests.browser.playing import ODD, Playground, start_training, trembling_weights
from tests.browser.watching import Watched, wait_until
from tests.tinygpt.tokenizers.test_plain_bpe import BPE
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.config import TrainConfig

LINK = "?text=copy&size=tiny&steps=40&rate=0.003&seed=5&prompt=abcd%3E&tokens=50&temperature=0.5&topk=9&textseed=3"
FIELDS = {
    "Text": "copy", "Size": "tiny", "Steps": "40", "Learning rate": "0.003", "Seed": "5", "Your words": "abcd>",
    "Tokens": "50", "Temperature": "0.5", "Top-k": "9", "Seed of the text": "3",
}  # fmt: skip


def values(playground: Playground) -> dict[str, str]:
    return {label: playground.page.get_by_label(label, exact=True).input_value() for label in FIELDS}


# ---- the address ---------------------------------------------------------------------------------------------------


def test_a_link_opens_the_same_experiment_and_a_button_copies_it(browser: Browser, site: str) -> None:
    opened = Playground(browser, site, query=LINK)
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert values(opened) == FIELDS
    page = opened.page
    page.get_by_label("Seed", exact=True).fill("6")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    kept = {name: value for name, value in parse_qs(LINK[1:]).items() if name not in ("size", "rate")}  # the task's own
    assert parse_qs(urlsplit(copied).query) == kept | {"seed": ["6"]}
    assert page.url == copied
    assert opened.part("status").locator(".tgp-notice").inner_text() == ""
    opened.close()


def test_nonsense_in_the_address_is_one_line_and_the_pages_own_choices(browser: Browser, site: str) -> None:
    plain = Playground(browser, site)
    own = values(plain)
    plain.close()
    attack = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"
    opened = Playground(browser, site, query=f"?size={attack}&steps=-3&seed=1.5&text=&rate=1e999&none=1&tokens=20")
    assert values(opened) == own | {"Tokens": "20"}
    told = opened.part("status").locator(".tgp-notice").inner_text()
    assert "\n" not in told
    for words in ('size "<img src=x', "size can be tiny, small", 'steps "-3"', "a whole number from 1 to 1000000"):
        assert words in told
    assert opened.part("status").locator("img").count() == 0
    opened.close()


# ---- a first visit -------------------------------------------------------------------------------------------------


def test_the_guide_leads_through_a_training_and_remembers_where_it_is(playground: Playground) -> None:
    page, guide = playground.page, playground.part("guide")
    guide.get_by_role("heading", name="What is a token?").wait_for()
    guide.get_by_role("button", name="Go there").click()
    page.keyboard.type("!")
    expect(guide.locator(".tgp-todo")).to_contain_text("Done.")
    guide.get_by_role("button", name="Next").click()
    guide.get_by_role("heading", name="What is a loss?").wait_for()
    start_training(playground, steps=6)
    expect(guide.locator(".tgp-todo")).to_contain_text("Done.")
    page.reload()
    playground.wait_until_ready()
    guide.get_by_role("heading", name="What is a loss?").wait_for()
    guide.get_by_role("button", name="Next").click()
    guide.get_by_role("button", name="Set it up").click()
    assert page.get_by_label("Text", exact=True).input_value() == "own"
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_focused()
    guide.get_by_role("button", name="Next").click()
    guide.get_by_role("button", name="Show me").click()
    playground.part("inside").locator("del", has_text="gone").wait_for()
    guide.get_by_role("button", name="Done").click()
    page.reload()
    playground.wait_until_ready()
    assert not guide.is_visible()
    page.get_by_role("button", name="Guide").click()
    guide.get_by_role("heading", name="What is a token?").wait_for()


def test_the_guide_goes_on_with_a_reader_who_is_ahead_of_it(playground: Playground) -> None:
    guide = playground.part("guide")
    guide.get_by_role("heading", name="What is a token?").wait_for()
    start_training(playground, steps=6)
    guide.get_by_role("heading", name="What is a loss?").wait_for()
    expect(guide.locator(".tgp-todo")).to_contain_text("Done.")


# ---- a model that learns -------------------------------------------------------------------------------------------


def test_a_toy_task_shows_right_and_wrong_answers(browser: Browser, site: str) -> None:
    opened = Playground(browser, site, query=LINK)
    opened.page.get_by_role("button", name="Train", exact=True).click()
    opened.wait_for(opened.status("train"), "Done: 40 steps")
    text = opened.part("text")
    assert re.search(r"Now, after 40 steps · [\d.]+ % right", text.inner_text())
    answers = text.locator(".tgp-text").first.locator("ins, del")
    assert answers.count() == 32
    assert all(len(line.rstrip("\n").split(">")) >= 2 for line in answers.all_text_contents())
    opened.close()


def test_choosing_a_toy_task_sets_what_it_is_learned_with(playground: Playground) -> None:
    page = playground.page
    page.get_by_label("Text", exact=True).select_option("reverse")
    assert page.get_by_label("Size", exact=True).input_value() == "tiny"
    assert page.get_by_label("Steps").input_value() == "1000"
    assert re.fullmatch("[a-z]{4}>", page.get_by_label("Your words").input_value())
    page.get_by_label("Text", exact=True).select_option("source-excerpt")
    assert page.get_by_label("Steps").input_value() == "6000"


def test_a_model_in_training_writes_when_it_is_asked_and_its_bars_follow_it(playground: Playground) -> None:
    page, text, inside = playground.page, playground.part("text"), playground.part("inside")
    start_training(playground, steps=100_000)
    playground.wait_for(playground.status("train"), "steps per second")
    assert playground.write(30, "The").startswith("The")
    assert "tiny, trained on" in text.locator(".tgp-caption").first.inner_text()
    text.get_by_role("button", name="Follow the training").click()
    playground.wait_for(text.locator(".tgp-caption").first, "Now, after")
    first = "document.querySelector('.tgp-likely').getAttribute('aria-label')"
    wait_until(page, f"{first} !== {json.dumps(page.evaluate(first))}")
    typed = inside.locator(".tgp-likely").first.evaluate(
        "bar => { const name = bar.querySelector('b').textContent; bar.click(); return name; }"
    )
    line = page.get_by_label("Your words").input_value()
    assert line == "The" + {"␣": " ", "↵": "\n"}.get(typed, typed)
    playground.part("train").get_by_role("button", name="Stop", exact=True).click()
    playground.wait_for(playground.status("train"), "Stopped after")


def test_on_a_phone_buttons_curve_and_text_are_in_view_together(browser: Browser, site: str) -> None:
    opened = Playground(browser, site, width=390)
    page = opened.page
    start_training(opened, steps=100_000)
    opened.wait_for(opened.status("train"), "steps per second")
    seen = [
        page.get_by_role("button", name="Pause"), opened.part("loss").locator(".tgp-live svg").first,
        opened.part("loss").locator(".tgp-reading"), opened.part("text").locator(".tgp-text").first,
    ]  # fmt: skip
    for element in seen:
        expect(element).to_be_in_viewport(ratio=0.99)
    boxes = [box for element in seen if (box := element.bounding_box())]
    assert max(box["y"] + box["height"] for box in boxes[1:]) <= boxes[0]["y"]  # nothing is under the buttons
    opened.part("train").get_by_role("button", name="Stop", exact=True).click()
    opened.wait_for(opened.status("train"), "Stopped after")
    opened.close()


CUT = """() => [...document.querySelectorAll(".tgp-attention text")].filter((label) => {
    const [inner, outer] = [label, label.ownerSVGElement].map((one) => one.getBoundingClientRect());
    return inner.left < outer.left - 1 || inner.top < outer.top - 1;
}).map((label) => label.textContent)"""


def test_tokens_of_several_letters_are_called_so_and_named_whole(playground: Playground, tmp_path: Path) -> None:
    model = replace(ODD, vocab_size=BPE.vocab_size)
    weights = trembling_weights(model, seed=1)
    save_checkpoint(tmp_path, Checkpoint(model, TrainConfig(3), weights, tokenizer=BPE))
    playground.open_checkpoint(*(tmp_path / name for name in ("config.json", "model.safetensors", "tokenizer.json")))
    inside = playground.part("inside")
    playground.page.get_by_label("Your words").fill("The fox said that the hen was there. " * 3)
    inside.locator(".tgp-attention text", has_text=re.compile("[a-z]{2}")).first.wait_for()
    assert playground.page.evaluate(CUT) == []
    inside.get_by_role("heading", name="Next token").wait_for()
    assert "one piece of a word at a time" in playground.part("guide").inner_text()


HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_hidden_tab_slows_down_and_says_so(playground: Playground) -> None:
    page, status = playground.page, playground.status("train")
    title = page.title()
    start_training(playground, steps=100_000)
    playground.wait_for(status, "steps per second")
    page.evaluate(HIDE, True)
    assert page.title() == f"Slower while hidden · {title}"
    page.evaluate(HIDE, False)
    assert page.title() == title
    playground.part("train").get_by_text("went on at a quarter of its speed").wait_for()
    playground.part("train").get_by_role("button", name="Stop", exact=True).click()
    playground.wait_for(status, "Stopped after")


# ---- in another page -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def foreign(site: str, published: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page on another port that shows what the site offers to paste, with an odd panel's frame."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Elsewhere</title>'
        f'<body style="margin:0">{snippet_of(published, site)}</body></html>',
        encoding="utf-8",
    )
    with serve_folder(folder) as url:
        yield url


def snippet_of(published: str, site: str) -> str:
    """The first panel's snippet as the page *Embed* has it, with the address under which this test finds the site."""
    from urllib.request import ProxyHandler, build_opener

    with build_opener(ProxyHandler({})).open(f"{published}embed/") as answer:
        texts = map(html.unescape, re.findall(r"<code>(.*?)</code>", answer.read().decode(), re.DOTALL))
    return next(text for text in texts if "embed/playground/?panel=train" in text).replace(published, site)


@pytest.mark.parametrize("width", [390, 1280])
def test_a_panel_in_a_frame_elsewhere_trains_under_a_strict_policy(
    browser: Browser, site: str, foreign: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark")
    watched = Watched(context)
    page = watched.page
    page.goto(foreign)
    page.locator("iframe").scroll_into_view_if_needed()
    wait_until(page, "document.querySelector('iframe').style.height !== ''")
    frame = page.frames[1]
    frame.locator(".tg-playground[data-ready]").wait_for()
    policy = frame.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content") or ""
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert frame.locator("body").get_attribute("data-md-color-scheme") == "slate"
    frame.get_by_label("Size", exact=True).select_option("tiny")
    frame.locator("summary", has_text="Settings").click()
    frame.get_by_label("Steps").fill("4")
    frame.get_by_role("button", name="Train", exact=True).click()
    frame.locator(".tgp-status", has_text="Done: 4 steps").wait_for()
    wait_until(frame, "document.documentElement.scrollHeight <= window.innerHeight")
    assert frame.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert watched.complaints == []
    assert watched.foreign(site, foreign) == []
    context.close()


def test_a_panel_that_does_not_exist_is_the_first_one_with_a_line(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}embed/playground/?panel=%3Cb%3E&theme=light")
    page.locator(".tg-playground[data-ready]").wait_for()
    assert "it can be train, write, inside, measure" in page.locator(".tgp-notice").inner_text()
    assert page.get_by_role("button", name="Train", exact=True).is_visible()
    assert page.locator("h1:visible").all_inner_texts() == [page.title()] == ["Train a GPT in this tab"]
    page.goto(f"{address}embed/playground/?panel=measure")
    page.locator(".tg-playground[data-ready]").wait_for()
    assert page.locator("h1:visible").all_inner_texts() == [page.title()]
    assert page.title().startswith("Measure this browser")
    assert watched.complaints == []
