from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from sitegen.figures import FIGURES
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import _PRODUCTS, resolve_number
from sitegen.rows.cells import cell_frame
from sitegen.rows.results import TRAINING_KINDS, load_results
from sitegen.tables.peer_tables import generation_table, training_table
from tests.sitegen import example_rows as rows


@pytest.fixture(scope="module")
def quoted(tmp_path_factory: pytest.TempPathFactory) -> QuotedRows:
    root = tmp_path_factory.mktemp("results")
    parts = rows.peers("small"), rows.peers("xl", scale=12.0, torch_status="refused"), rows.texts()
    return QuotedRows(load_results(rows.store(root, *parts)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("over.torch.small", "1.30× (1 round)"),
        ("over.pytorch-best.small", "1.10× (1 round)"),
        ("over.pytorch-best.xl", "1.30× (1 round)"),
        ("peer_ms.torch-mkl-avx512.small", "22.0 ms"),
        ("peer_ms.torch-mkl-avx512.xl", None),
        ("roofline_share.vectorized.small", "65 % (1 round)"),
        ("roofline_share.torch.small", "50 % (1 round)"),
        ("peer_ms.roofline.small", "13.0 ms"),
        ("gflops.roofline.small", "177 GFLOP/s"),
        ("roofline.tried", f"{_PRODUCTS[1]} at small and xl (protocol 2)"),
        ("peer_memory.jax-textbook.small", "105 MB"),
        ("generates.vectorized.small", "8,000"),
        ("generates_over.pytorch-best.small", "1.56× (1 round)"),
        ("generates_over.jax-textbook.small", "0.500× (1 round)"),
        ("generates_over.jax-textbook.xl", None),
    ],
)
def test_numbers_about_peers(quoted: QuotedRows, name: str, text: str | None) -> None:
    assert resolve_number(name, quoted).text == text


def test_peers_without_rows_are_named(quoted: QuotedRows) -> None:
    named = str(resolve_number("peers.unmeasured", quoted).text)
    assert (
        "torch-tuned" in named and named.endswith(".") and "torch-mkl-avx512" not in named.replace("-1-thread-mkl", "")
    )


def test_a_missing_number_names_the_suite(quoted: QuotedRows) -> None:
    assert resolve_number("over.torch.huge", quoted).command == "invoke bench --suite peers --presets huge"
    texts = resolve_number("generates.jax-textbook.huge", quoted)
    assert texts.command == "invoke bench --suite generation --presets huge"


def test_tables_have_a_row_for_each_peer_and_say_what_was_refused_and_what_is_missing(quoted: QuotedRows) -> None:
    table = unescape(training_table(quoted.results))
    ratios, times = table.split("<details>")
    assert ratios.count("<tr>") == 1 + len(("best", "torch", "torch-mkl-avx512", "jax-textbook"))
    assert times.count("<tr>") == 1 + len(("ours", "torch", "torch-mkl-avx512", "jax-textbook", "roofline", "share"))
    for text in ("small <small>", "xl <small>", ">torch-mkl-avx512<", ">refused<", "no C compiler", "1.30×"):
        assert text in ratios
    for text in ("26.0 ms", "65 %", "105 MB"):
        assert text in times
    assert "8,000" in unescape(generation_table(quoted.results))


def test_without_peers_the_page_says_what_to_run(tmp_path: Path) -> None:
    results = load_results(rows.store(tmp_path, rows.ladder()))
    assert resolve_number("over.torch.small", QuotedRows(results)).text is None
    assert "invoke bench --suite peers" in unescape(training_table(results))
    assert "invoke bench --suite generation" in unescape(generation_table(results))
    assert FIGURES["peers"].rows(results).empty


def test_peers_stay_out_of_what_is_said_about_our_engines(quoted: QuotedRows) -> None:
    assert set(quoted.cells["variant"]) == {"numpy", "vectorized"}
    assert quoted.pairs("numpy", "vectorized") and not quoted.pairs("numpy", "torch")
    assert set(cell_frame(quoted.results, TRAINING_KINDS)["variant"]) > {"numpy", "vectorized", "torch", "roofline"}


def test_shares_of_the_roofline(quoted: QuotedRows) -> None:
    plotted = FIGURES["roofline"].rows(quoted.results)
    small = plotted[plotted["preset"] == "small"].set_index("variant")
    assert "roofline" not in small.index
    assert small["share"].to_dict() == pytest.approx(
        {
            "numpy": 13 / 62,
            "vectorized": 13 / 20,
            "torch": 13 / 26,
            "torch-mkl-avx512": 13 / 22,
            "jax-textbook": 13 / 30,
        }
    )
    assert set(small["products_text"]) == {"13.0 ms"}


def test_tokens_a_second_of_one_round_have_no_interval(quoted: QuotedRows) -> None:
    plotted = FIGURES["generation"].rows(quoted.results).set_index("variant")
    assert plotted.loc["vectorized", "tokens_text"] == "8,000"
    assert plotted["verdict"].to_dict() == dict.fromkeys(plotted.index, "unresolved") | {"vectorized": ""}
    assert plotted[["tokens_low", "tokens_high"]].isna().all(axis=None)
    assert (plotted["text_at"] == plotted["tokens_per_second"]).all()
    assert "jax-textbook 16,000" in FIGURES["generation"].describe(plotted.reset_index())


def test_the_roofline_is_a_line_below_one(quoted: QuotedRows) -> None:
    plotted = FIGURES["peers"].rows(quoted.results)
    floor = plotted[plotted["variant"] == "roofline"]
    assert floor["speedup"].tolist() == pytest.approx([0.65, 0.65])
    refused = plotted[plotted["state"] == "failed"]
    assert refused[["variant", "preset", "reason"]].values.tolist() == [["torch-mkl-avx512", "xl", "no C compiler"]]
