"""Recognition of an accelerator's rows, and the values that are computed from them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from bench.arms.devices import device_count, of_accelerators, of_processors, on_accelerator
from bench.arms.kernel_parts import DEVICE_PARTS, PEAK, kind_of_kernel
from bench.arms.registry import ACCELERATOR_PEERS
from bench.records.protocol import sha256_text
from bench.records.rows import Rows
from bench.records.store import write_tables
from bench.statistics.accelerator_ratios import (
    accelerator_summary,
    batch_size,
    compared_runs,
    context_length,
    crossings,
    devices,
    dispatch_model,
    dispatch_share,
    other_pairs,
    scaling,
    torch_pairs,
    webgpu_pairs,
)
from bench.statistics.chosen_runs import counts
from bench.statistics.device_steps import device_steps
from bench.terminal.show import print_results
from tests.bench.rows import MACHINE, START, run_row, step_rows
from tinygpt.presets import LADDER

GPU = json.dumps(json.loads(MACHINE) | {"accelerator": "Some GPU, driver 1"}, sort_keys=True)


def tables(*cells, rounds=6):
    """``(variant, preset, seconds, changes)`` → the two tables, as lists of rows."""
    runs, steps = [], []
    for variant, preset, seconds, changes in cells:
        batch = changes.get("batch", LADDER[preset].train.batch_size)
        context = changes.get("context", LADDER[preset].model.context_length)
        sizes = {"batch_size": batch, "context_length": context}
        for number in range(rounds):
            kind = "peer" if variant in ACCELERATOR_PEERS else "bench"
            row = run_row("run-a", variant, preset, number, machine=GPU, kind=kind)
            protocol = json.dumps(json.loads(row.protocol) | sizes, sort_keys=True)
            own = {name: value for name, value in changes.items() if name not in ("batch", "context")}
            row = replace(row, **({"protocol": protocol, "protocol_hash": sha256_text(protocol)} | own))
            row = replace(row, cell_id=f"{row.run_id}/{variant}/{preset}/{batch}/{context}/{number}")
            runs.append(row)
            steps += step_rows(row, [seconds * (1 + number / 1000)] * 15)
    return runs, steps


def summary(*cells, rounds=6):
    return accelerator_summary(*(pd.DataFrame(part).assign(origin="local") for part in tables(*cells, rounds=rounds)))


@pytest.mark.parametrize("variant", ["jax", "jax[dispatch=3]", "jax[mesh=data2]@1a2b3c4#2", *ACCELERATOR_PEERS])
def test_an_accelerators_rows_go_by_their_variant(variant):
    assert on_accelerator(variant)


@pytest.mark.parametrize(
    "variant", ["jax[device=cpu]", "jax[dispatch=3,device=cpu]", "jax-textbook", "torch", "vectorized", "a.b:JaxThing"]
)
def test_a_processors_rows_do_too(variant):
    assert not on_accelerator(variant)


def test_every_row_is_on_one_side():
    runs = pd.DataFrame([run_row(variant=name) for name in ("numpy", "jax", "jax[device=cpu]", "torch-cuda")])
    assert of_accelerators(runs)["variant"].tolist() == ["jax", "torch-cuda"]
    assert of_processors(runs)["variant"].tolist() == ["numpy", "jax[device=cpu]"]
    assert of_processors(runs.head(0)).empty


def test_a_mesh_says_how_many_devices():
    assert [device_count(name) for name in ("jax", "jax[mesh=data2-fsdp4]", "jax[device=cpu,mesh=data8,remat=no]")] == [
        1, 8, 8,
    ]  # fmt: skip


def test_our_best_stands_beside_their_best_of_the_same_run():
    found = torch_pairs(
        summary(
            ("jax", "tiny", 0.0006, {}),
            ("jax[dispatch=3]", "tiny", 0.0005, {}),
            ("jax[dispatch=3]", "tiny", 0.0001, {"batch": 99}),
            ("torch-cuda", "tiny", 0.006, {}),
            ("torch-cuda-graphs", "tiny", 0.0004, {}),
            ("torch-cuda-graphs", "small", 0.0004, {}),
        )
    )
    (pair,) = found
    assert (pair.cell.preset, pair.cell.variant, pair.baseline.variant) == (
        "tiny", "jax[dispatch=3]", "torch-cuda-graphs",
    )  # fmt: skip
    assert pair.ratio.speedup == pytest.approx(0.8)
    assert (pair.ratio.n_rounds, pair.ratio.has_interval) == (6, True)


def test_the_playgrounds_engine_is_beside_ours_and_no_pytorch():
    measured = summary(("jax", "tiny", 0.001, {}), ("torch-cuda", "tiny", 0.004, {}), ("webgpu", "tiny", 0.002, {}))
    (pair,), (torch,) = webgpu_pairs(measured), torch_pairs(measured)
    assert (pair.cell.variant, pair.baseline.variant, torch.baseline.variant) == ("jax", "webgpu", "torch-cuda")
    assert pair.ratio.speedup == pytest.approx(2.0)


def test_a_newer_run_is_chosen_and_brings_its_cells():
    later = {"run_id": "run-b", "started_at": START + timedelta(days=1)}
    cells = [("jax", "tiny", 0.001, {}), ("torch-cuda", "tiny", 0.002, {}), ("torch-cuda-graphs", "tiny", 0.003, {})]
    newer = [("jax", "tiny", 0.004, later), ("torch-cuda", "tiny", 0.004, later)]
    both = summary(*cells, *newer)
    pairs = torch_pairs(both)
    assert [pair.cell.run_id for pair in pairs] == ["run-b"]
    compared = compared_runs(both, pairs)
    assert sorted((cell.variant, cell.run_id) for cell in both if counts(compared, cell)) == [
        ("jax", "run-b"), ("torch-cuda", "run-b"), ("torch-cuda-graphs", "run-a"),
    ]  # fmt: skip


def test_curves_meet_between_two_presets():
    ours = {"tiny": 4.0, "small": 4.0, "medium": 4.0}
    theirs = {"tiny": 2.0, "small": 8.0, "large": 1.0}
    (meeting,) = crossings(ours, theirs)
    assert (meeting.before, meeting.after, meeting.ahead, meeting.seconds) == (
        "tiny",
        "small",
        True,
        pytest.approx(4.0),
    )
    sizes = [LADDER[name].model.n_parameters for name in ("tiny", "small")]
    assert meeting.n_parameters == pytest.approx(math.sqrt(sizes[0] * sizes[1]))
    assert crossings(ours, {"tiny": 8.0, "small": 8.0}) == ()
    assert not crossings(theirs, ours)[0].ahead


def test_a_curve_of_dispatch_and_work_is_taken_apart():
    flops = {name: 6.0 * preset.model.n_parameters * preset.tokens_per_step for name, preset in LADDER.items()}
    layers = {name: preset.model.n_layers for name, preset in LADDER.items()}
    step = {name: 2e-4 * layers[name] + flops[name] / 2e13 for name in LADDER}
    model = dispatch_model("jax", step)
    assert model is not None
    shares = [dispatch_share(model, name) for name in LADDER]
    assert shares[0] > 0.9 > 0.4 > shares[-1]
    # Launches that run ahead: whichever takes longer, and no sum of the two.
    ahead = {name: max(6e-3 * layers[name] ** 0.3, step[name]) for name in LADDER}
    assert dispatch_model("torch-cuda", ahead) is None
    assert dispatch_model("jax", {name: step[name] for name in ("tiny", "small", "medium")}) is None


def test_two_devices_over_one_with_the_same_batch():
    found = scaling(
        summary(
            ("jax[dispatch=3]", "tiny", 0.010, {"batch": 64}),
            ("jax[dispatch=3,mesh=data2]", "tiny", 0.005, {"batch": 64}),
            ("jax[dispatch=3,mesh=data2]", "tiny", 0.001, {}),
        )
    )
    (pair,) = found
    assert (devices(pair.cell), batch_size(pair.cell), pair.ratio.n_rounds) == (2, 64, 6)
    assert pair.ratio.speedup == pytest.approx(2.0)


def test_a_newer_run_of_the_same_mesh_and_batch_replaces_the_older_one():
    mesh = "jax[dispatch=3,mesh=data2]"
    older = summary(("jax[dispatch=3]", "tiny", 0.010, {}), (mesh, "tiny", 0.008, {}))
    newer = [
        replace(cell, run_id="run-z", started_at=cell.started_at + timedelta(days=1))
        for cell in summary(("jax[dispatch=3]", "tiny", 0.009, {}), (mesh, "tiny", 0.005, {}))
    ]
    (pair,) = scaling([*newer, *older])
    assert (pair.cell.run_id, pair.ratio.speedup) == ("run-z", pytest.approx(1.8))


def test_the_terminal_shows_both_under_their_own_names(results_root, console):
    runs, steps = tables(("jax[dispatch=3]", "tiny", 0.001, {}), ("torch-cuda", "tiny", 0.004, {}), rounds=1)
    own = run_row("run-a", "numpy")
    write_tables(results_root, "run-a", Rows([own, *runs], [*step_rows(own, [0.02] * 15), *steps]))
    print_results(results_root, console)
    processor, _, accelerator = console.file.getvalue().partition("local: Some GPU, driver 1 beside Some CPU")
    assert "numpy" in processor and "jax" not in processor
    ours = next(line for line in accelerator.splitlines() if "jax[dispatch=3]" in line)
    assert "1.00 ms" in ours and "4.00×" in ours


def test_less_than_float32_is_compared_within_one_arithmetic():
    half = {"batch": 16}
    cells = [
        *summary(
            ("jax[precision=bfloat16]", "tiny", 0.002, half), ("torch-cuda[precision=bfloat16]", "tiny", 0.003, half)
        ),
        *summary(("jax", "tiny", 0.004, {}), ("torch-cuda", "tiny", 0.001, {})),
    ]
    own = [
        replace(cell, protocol=json.dumps(json.loads(cell.protocol) | {"dtype": "products in bfloat16"}))
        if "bfloat16" in cell.variant
        else cell
        for cell in cells
    ]
    (pair,) = other_pairs(own)
    assert pair.ratio.speedup == pytest.approx(1.5)
    assert {pair.cell.variant for pair in torch_pairs(own)} == {"jax"}


def test_another_batch_or_context_is_not_the_presets():
    cells = summary(
        *(
            (variant, "tiny", 0.002, changes)
            for changes in ({}, {"batch": 64}, {"context": 4096})
            for variant in ("jax", "torch-cuda")
        )
    )
    own = LADDER["tiny"]
    usual = (own.train.batch_size, own.model.context_length)
    sizes = [(batch_size(pair.cell), context_length(pair.cell)) for pair in other_pairs(cells)]
    assert sorted(sizes) == sorted([(64, usual[1]), (usual[0], 4096)])
    assert [(batch_size(pair.cell), context_length(pair.cell)) for pair in torch_pairs(cells)] == [usual]


def test_gaps_are_the_step_less_its_kernels():
    cells = summary(("jax", "tiny", 0.004, {}))
    runs, _ = tables(("jax", "tiny", 0.004, {}))
    names = ["products", "copies", PEAK]
    kernels = pd.DataFrame(
        {
            "run_id": "run-a", "cell_id": runs[-1].cell_id, "preset": "tiny", "measure": "part", "name": names,
            "seconds": [0.002, 0.0005, 0.01], "elements": [7, 3, 1],
        }
    )  # fmt: skip
    (step,) = device_steps(cells, pd.DataFrame(runs), kernels)
    parts = dict(zip(DEVICE_PARTS, step.seconds, strict=True))
    assert step.n_kernels == 10
    assert step.peak == pytest.approx(2 * 8192**3 / 0.01)
    assert parts["attention"] == 0.0
    assert parts["gaps"] == pytest.approx(cells[0].seconds.median - 0.0025)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sm80_xmma_gemm_f32f32_tn_n_tilesize32x32x8", "products"),
        ("void cutlass::Kernel2<cutlass_80_simt_sgemm_64x64>", "products"),
        ("fmha_cutlassF_f32_aligned_64x64_rf_sm80(PyTorchMemEffAttention)", "attention"),
        ("input_reduce_fusion_10", "reductions"),
        ("Memcpy DtoD (Device -> Device)", "copies"),
        ("loop_dynamic_update_slice_fusion_13", "copies"),
        ("loop_multiply_tanh_fusion", "element-wise"),
    ],
)
def test_a_kernels_kind_goes_by_its_name(name, kind):
    assert kind_of_kernel(name) == kind
