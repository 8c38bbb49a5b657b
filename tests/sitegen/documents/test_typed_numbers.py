from __future__ import annotations

import pytest

from sitegen.documents.pages import Page, read_pages
from sitegen.documents.typed_numbers import check_typed_numbers, typed_numbers
from tests import ROOT


def kinds(text: str) -> list[str]:
    return [kind for _, kind, _ in typed_numbers(text)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("It is 6.1× faster.", "speedup"),
        ("It is 6.1 × faster.", "speedup"),
        ("about 15 times slower", "speedup"),
        ("a 12x gain", "speedup"),
        ("a 10-fold gain", "speedup"),
        ("A step takes 13.4 ms.", "time"),
        ("A step takes 13.4&nbsp;ms.", "time"),
        ("A call takes 85 µs.", "time"),
        ("The step took 82.2 s.", "time"),
        ("It took 3 minutes.", "time"),
        ("It took 1.5 hours", "time"),
        ("It writes 2,100 tokens/s.", "rate"),
        ("It writes 2100 tokens per second.", "rate"),
        ("It reads 12 GB/s.", "rate"),
        ("The products reach 140 GFLOP/s.", "arithmetic rate"),
        ("It reaches 66 % of the roofline.", "share"),
        ("It reaches 66% of it, or 66 percent.", "share"),
        ("The loss fell to 1.62 after a while.", "loss"),
        ("It stands at 1.62 nats per byte.", "loss"),
        ("A plateau at 2.45 was the first sign.", "loss"),
        ("| `tiny` | 8.1 ms |", "time"),
        ("# Twice: 2.0×", "speedup"),
        ("---\ndescription: 9× faster\n---\n\ntext", "speedup"),
        ("```text\nstep 100: 13.4 ms\n```", "time"),
        ("`13.4 ms`", "time"),
    ],
)
def test_a_typed_figure_of_each_kind_is_found(text: str, kind: str) -> None:
    assert set(kinds(text)) == {kind}


@pytest.mark.parametrize(
    "text",
    [
        'It is {{ number("speedup.vectorized.numpy.small") }} faster.',
        'The original had {{ quoted("9.7×") }}, a loss of {{ quoted("0.14") }} and {{ quoted("82.2 s") }} a step.',
        'A point is noisy above {{ setting("10 %") }}, and a start is near ln 256 = {{ derived("5.545") }} nats.',
        "Blocks of 8×8 lost to 4×4; a ratio below 1× means that we are slower.",
        "Python 3.11, `tiny` has 70,464 parameters, a context of 32, AdamW at 3e-4, betas 0.9 and 0.95.",
        "The loss is compared with 256 others in 15 steps after 3 warm-ups.",
        "Since $1 - t^2 = 4 s (1 - s)$ and\n\n$$\n2 s\n$$\n\nfollow.",
        "See [the section](method.md#5-s) and ![x](10%.png).",
        "tinyshakespeare is text, in 5 files; 2 stages, 3 hosts, 4 millers, 10 minor 6 sets.",
        "https://example.org/5%20x",
    ],
)
def test_what_is_marked_or_no_measurement_passes(text: str) -> None:
    assert list(typed_numbers(text)) == []


def test_a_problem_names_page_line_and_figure() -> None:
    page = Page("notes/speed.md", "# Speed\n\nfine\n\nIt takes {{ number('x') }}, not 13.4 ms.\n")
    (problem,) = check_typed_numbers([page])
    assert problem.startswith("docs/notes/speed.md, line 5: the time '13.4 ms' is typed by hand")
    assert 'quoted("13.4 ms")' in problem


def test_the_pages_of_this_project_hold_no_typed_figure() -> None:
    pages = read_pages(ROOT / "docs")
    assert len(pages) > 20
    assert check_typed_numbers(pages) == []
