from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import PATTERNS, resolve_number
from sitegen.rows.projections import cost_models
from sitegen.rows.results import load_results
from sitegen.text.errors import SiteError
from tests import ROOT
from tests.sitegen import example_rows as rows
from tinygpt.errors import UnknownNameError
from tinygpt.gallery import load_gallery_model
from tinygpt.presets import PRESETS
from tinygpt.terminal import quantities


@pytest.fixture(scope="module")
def quoted(tmp_path_factory: pytest.TempPathFactory) -> QuotedRows:
    root = tmp_path_factory.mktemp("results")
    return QuotedRows(load_results(rows.store(root, rows.ladder(), rows.training(), rows.kernels())))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("speedup.vectorized.numpy.small", "2.38× (1 round)"),
        ("speedup.numpy.python.small", "290× (1 round)"),
        ("speedup_range.vectorized.numpy", "2.00 to 2.40× (tiny: 1 round; large: 1 round)"),
        ("step_ms.vectorized.small", "13.0 ms (1 round)"),
        ("step_ms.python.small", "9,000 ms (1 round)"),
        ("tokens_per_s.vectorized.small", "78,800"),
        ("params.small", "366,432"),
        ("memory.numpy.tiny", "92.8 MB"),
        ("loss.held_out.stories.small", "1.62"),
        ("loss.first.stories.small", "5.55"),
        ("loss.train.stories.small", "1.50"),
        ("train_steps.stories.small", "400"),
        ("train_minutes.stories.small", "5.2 min"),
        ("count.cells", "14"),
        ("count.failed", "1"),
        ("count.processors", "1"),
        ("count.accelerators", "0"),
        ("presets.measured.vectorized", "5 of 10"),
        ("breakdown.product.small", "50 %"),
        ("breakdown.attention_product.tiny", "10 %"),
        ("breakdown.product.huge", None),
        ("cost.calls.python.small", "0 %"),
        ("cost.products.python.small", "100 %"),
        ("cost.overhead.python", "0 s"),
    ],
)
def test_a_number_reads_as_prose_wants_it(quoted: QuotedRows, name: str, text: str) -> None:
    found = resolve_number(name, quoted)
    assert found.text == text
    assert found.source


def test_a_rungs_lines_are_those_of_its_files_and_of_what_it_builds_on(quoted: QuotedRows) -> None:
    text = (ROOT / "tinygpt/engines/python.py").read_text(encoding="utf-8")
    lines = sum(bool(line.strip()) for line in text.splitlines())
    assert resolve_number("code_lines.python", quoted).text == str(lines)
    assert resolve_number("code_lines.vectorized", quoted).text.startswith("1,")  # a folder
    compiled = resolve_number("code_lines.compiled", quoted)
    assert compiled.text.startswith("4,")
    assert "tinygpt/engines/vectorized, tinygpt/engines/loops, tinygpt/engines/compiled" in compiled.source
    with pytest.raises(UnknownNameError, match="unknown rung"):
        resolve_number("code_lines.jax", quoted)


def test_the_terms_of_a_step_are_those_of_its_cost_model(quoted: QuotedRows) -> None:
    model = cost_models(quoted.cells)["vectorized"]
    terms = model.terms("tiny")
    assert sum(terms.values()) == pytest.approx(model.estimate("tiny").seconds)
    names = {"calls": "calls", "products": "flops", "traffic": "bytes"}
    for name, term in names.items():
        found = resolve_number(f"cost.{name}.vectorized.tiny", quoted)
        assert found.text == f"{terms[term] / sum(terms.values()) * 100:.0f} %"
        assert model.id in found.source
    assert resolve_number("cost.rate.vectorized", quoted).text == quantities.gflops(1 / model.seconds_per_flop)


def test_what_is_not_measured_says_so_and_names_the_command(quoted: QuotedRows) -> None:
    found = resolve_number("step_ms.python.behemoth", quoted)
    assert found.text is None
    assert found.command == "invoke bench --suite full --presets behemoth --engines python"
    assert resolve_number("loss.held_out.kjv.xl", quoted).command == "invoke train --preset xl --corpus kjv --record"
    assert resolve_number("speedup.vectorized[threads=1].numpy.small", quoted).text is None


SHAPE = "gpt2[context_length=256]"


def test_a_name_takes_any_shape_and_any_variant_that_a_suite_can_measure(tmp_path: Path) -> None:
    written = {"kind": "generation", "suite": "generation", "tokens_per_step": 256}
    writers = {
        "compiled": 4_000.0,
        "compiled[precision=int8]": 2_000.0,
        "onnxruntime": 4_400.0,
        "transformers": 6_000.0,
    }
    texts = [rows.cell(name, "gpt2", time, "texts-1", **written) for name, time in writers.items()]
    again = {"compiled": 2_500.0, "vectorized": 2_000.0}  # a run without peers
    texts_2 = [rows.cell(name, "gpt2", time, "texts-2", **written) for name, time in again.items()]
    store = rows.store(tmp_path, rows.ladder(), rows.peers(SHAPE, run_id="peers-1"), rows.joined(*texts))
    quoted = QuotedRows(load_results(rows.store(store, rows.joined(*texts_2))))
    for name, text in {
        f"peer_ms.ours.{SHAPE}": "20.0 ms",
        f"peer_step.torch.{SHAPE}": "26.0 ms",
        "peer_ms.torch.gpt2[ context_length=256, batch_size=4]": "26.0 ms",  # the same shape
        f"over.pytorch-best.{SHAPE}": "1.10× (1 round)",
        f"peer_memory.torch.{SHAPE}": quantities.megabytes(90_000_000 + 40 * PRESETS[SHAPE].model.n_parameters),
        "generates.compiled[precision=int8].gpt2": "128",
        "generates.ours.gpt2": "64.0",  # beside the peers, and not another run's engine
        "generates_over.onnxruntime.gpt2": "1.10× (1 round)",
        "generates_over.compiled[precision=int8].gpt2": "0.500× (1 round)",
        "presets.measured.vectorized": "5 of 10",  # of the ladder
        "params.gpt2[n_layers=6]": quantities.whole(PRESETS["gpt2[n_layers=6]"].model.n_parameters),
    }.items():
        assert resolve_number(name, quoted).text == text, name
    missing = resolve_number("generates.compiled[precision=bfloat16].gpt2[context_length=512]", quoted)
    assert (missing.text, missing.command) == (
        None, "invoke bench --suite generation --presets 'gpt2[context_length=512]'",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("speedup", "unknown number"),
        ("speedup.vectorized.numpy.smal", "did you mean 'small'"),
        ("step_ms.nunpy.small", "did you mean 'numpy'"),
        ("loss.held_out.shakespear.small", "did you mean 'shakespeare'"),
        ("loss.middle.stories.small", "unknown number"),
        ("breakdown.products.small", "did you mean 'product'"),
        ("step_ms.numpy.small[n_layer=4]", "did you mean 'n_layers'"),
        ("step_ms.numpy.small[d_model=100]", "heads of preset 'small' are 32 wide"),
        ("step_ms.vectorized[threds=1].small", "did you mean 'threads'"),
        ("generates.onnxruntim.small", "did you mean 'onnxruntime'"),
    ],
)
def test_an_unknown_name_is_an_error_that_helps(quoted: QuotedRows, name: str, said: str) -> None:
    with pytest.raises(SiteError, match=said):
        resolve_number(name, quoted)


def test_no_name_fits_two_patterns() -> None:
    for text in PATTERNS:
        same_length = [other for other in PATTERNS if other != text and other.count(".") == text.count(".")]
        assert all(other.split(".")[0] != text.split(".")[0] or other.split(".")[1] != text.split(".")[1]
                   for other in same_length)  # fmt: skip


def test_with_published_rows_local_ones_are_not_quoted(tmp_path: Path) -> None:
    rows.store(tmp_path, rows.cell("numpy", "tiny", 8.0, run_id="a"))
    rows.store(tmp_path, rows.cell("numpy", "tiny", 99.0, run_id="b"), published=False)
    assert resolve_number("step_ms.numpy.tiny", QuotedRows(load_results(tmp_path))).text == "8.00 ms (1 round)"


def test_a_cell_that_failed_is_not_called_unmeasured(quoted: QuotedRows) -> None:
    assert resolve_number("step_ms.python.medium", quoted).source == "did not finish (timeout)"
    assert resolve_number("speedup.vectorized.python.medium", quoted).source == "did not finish (timeout)"
    assert resolve_number("step_ms.python.large", quoted).source == "not measured yet"


def test_the_page_about_a_loss_says_what_the_cards_hold() -> None:
    """docs/learn/loss.md says that one model is about as good as its highest rung, and the other beats all by far."""
    best = {}
    for name in ("shakespeare-bytes", "stories"):
        evaluation = load_gallery_model(name).card.evaluation
        best[name] = min(rung["nats"] for rung in evaluation["ladder"]) - evaluation["held_out_loss"]
    assert abs(best["shakespeare-bytes"]) < 0.1 < best["stories"]
