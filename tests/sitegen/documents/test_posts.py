"""Posts of the devlog read the runs that they name, so that newer rows do not change what they say."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from jinja2 import Template

from bench.records.store import read_table
from sitegen.build.macros import PageMacros
from sitegen.build.prepare import Prepared, begin_posts
from sitegen.documents.documents import Documents
from sitegen.documents.pages import Page, read_pages
from sitegen.documents.posts import check_posts, pin_of
from sitegen.embedding.pins import pin_figure
from sitegen.figures.render import begin_figure
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import resolve_number
from sitegen.rows.results import load_results
from tests import ROOT
from tests.sitegen import example_rows as rows

POST = """---
date: 2026-11-21
slug: then
runs: [run-1]
description: What it was.
---

# Then

A step took {{ number("step_ms.numpy.small") }}.

<!-- more -->

Over NumPy it was {{ number("speedup.vectorized.numpy.small") }}.

{{ figure("speedup") }} {{ machine() }} {{ table("runs") }}
"""
PAGE = 'A step takes {{ number("step_ms.numpy.small") }}.'


def faster(run_id: str = "run-9") -> dict[str, list[dict[str, object]]]:
    return rows.ladder(run_id, 0.1, started_at=rows.START + timedelta(days=30))


def rendered(root: Path, uri: str, text: str) -> str:
    """A page's text with its macros filled in, from whatever lies in the results folder now."""
    page = Page(uri, text)
    prepared = Prepared(QuotedRows(load_results(root / "results")), {"speedup": None})
    begin = partial(begin_figure, cache=root / "cache")
    posts = begin_posts(begin, [page], prepared.quoted_rows.results, root / "generated")
    made = {
        pin: Prepared(own, {name: finish() for name, finish in begun.items()}) for pin, (own, begun) in posts.items()
    }
    pinned = made | {(): prepared}
    documents = Documents(root, (page,), {pin: part.quoted_rows for pin, part in pinned.items()}, None)
    (root / "docs").mkdir(exist_ok=True)
    (root / "docs/numbers.md").touch()
    env = SimpleNamespace(
        page=SimpleNamespace(meta=page.meta, file=SimpleNamespace(src_uri=uri, url="x/")),
        project_dir=root,
        conf={"docs_dir": "docs", "site_url": "https://example.org/"},
    )
    macros = PageMacros(env, pinned, documents)
    names = ("figure", "table", "number", "machine")
    return Template(text).render({name: getattr(macros, name) for name in names})


def test_an_old_post_says_the_same_after_newer_rows_landed(tmp_path: Path) -> None:
    uri = "devlog/posts/then.md"
    rows.store(tmp_path / "results", rows.ladder("run-1"))
    post, page = (rendered(tmp_path, name, text) for name, text in ((uri, POST), ("index.md", PAGE)))
    assert "[31&#46;0 ms &#40;1 round&#41;](../../numbers.md#n-step-ms-numpy-small-" in post
    assert "31&#46;0 ms" in page
    assert 'id="figure-speedup"' in post
    rows.store(tmp_path / "results", faster())
    assert rendered(tmp_path, uri, POST) == post
    assert rendered(tmp_path, uri, POST.replace("runs: [run-1]\n", "")) != post
    assert "3&#46;10 ms" in rendered(tmp_path, "index.md", PAGE)


def test_a_post_can_show_a_state_of_a_figure_that_was_kept(tmp_path: Path) -> None:
    uri = "devlog/posts/then.md"
    kept = pin_figure(tmp_path, rows.store(tmp_path / "results", rows.ladder("run-1")), "speedup").version
    text = POST.replace('figure("speedup")', f'figure("speedup", "{kept}")')
    post = rendered(tmp_path, uri, text)
    assert f"../pinned/{kept}/speedup.light.svg" in post
    rows.store(tmp_path / "results", faster())
    assert rendered(tmp_path, uri, text) == post
    other = text.replace(kept, kept[::-1])
    (tmp_path / "docs" / uri).parent.mkdir(parents=True)
    (tmp_path / "docs" / uri).write_text(other)
    with pytest.raises(SystemExit, match=f"line 16: unknown pinned speedup '{kept[::-1]}'"):
        rendered(tmp_path, uri, other)


def test_a_post_about_training_names_its_machine_too(tmp_path: Path) -> None:
    rows.store(tmp_path / "results", rows.training("train-1"))
    post = rendered(tmp_path, "devlog/posts/then.md", "---\nruns: [train-1]\n---\n{{ machine() }}")
    assert "Published rows, measured on Example 9000" in post


def test_a_pin_reads_its_runs_and_no_others(tmp_path: Path) -> None:
    results = load_results(rows.store(tmp_path, rows.ladder("run-1"), faster()))
    name = "step_ms.numpy.small"
    assert resolve_number(name, QuotedRows(results)).text == "3.10 ms (1 round)"
    assert resolve_number(name, QuotedRows(results.only("run_id", ["run-1"]))).text == "31.0 ms (1 round)"
    assert resolve_number(name, QuotedRows(results.only("run_id", ["gone"]))).text is None


def test_a_post_that_pins_nothing_or_misspells_a_run_is_a_problem(tmp_path: Path) -> None:
    results = load_results(rows.store(tmp_path, rows.ladder("run-1"), rows.cell("numpy", "tiny", 8.0, "run-2")))
    uri = "devlog/posts/then.md"
    assert check_posts([Page(uri, POST)], results) == []
    (problem,) = check_posts([Page(uri, POST.replace("runs: [run-1]\n", ""))], results)
    assert problem.startswith(f"docs/{uri}, line 9: the post shows number('step_ms.numpy.small') and pins no run")
    (problem,) = check_posts([Page(uri, POST.replace("[run-1]", "[run-1, run-3]"))], results)
    assert problem == f"docs/{uri}, line 4: the run run-3 is not among the results"
    (problem,) = check_posts([Page(uri, POST.replace("description: What it was.\n", ""))], results)
    assert "has no description" in problem


def test_the_posts_of_this_project_pin_published_runs_and_show_a_chart() -> None:
    runs = read_table("runs", ROOT / "results")
    published = set(runs.loc[runs["origin"] == "published", "run_id"])
    posts = [page for page in read_pages(ROOT / "docs") if page.is_post]
    measured = [post for post in posts if any(call.kind in ("figure", "number", "table") for call in post.calls)]
    assert len(measured) > len(posts) / 2
    for post in measured:
        assert pin_of(post), post.uri
        assert set(pin_of(post)) <= published, post.uri
        assert any(call.kind == "figure" for call in post.calls), post.uri
