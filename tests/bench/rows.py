"""Rows that fit the schema, for tests that need tables but no processes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.records.protocol import benchmark_protocol, sha256_text
from tinygpt.presets import get_preset

Row = dict[str, Any]
MACHINE = json.dumps(
    {
        "accelerator": None, "arch_level": "x86-64-v3", "blas": "openblas", "blas_kernel": "Haswell", "blas_threads": 2,
        "blas_version": "0.3", "core_quota": None, "cores": 2, "cpu": "Some CPU", "memory_gib": 8.0,
        "memory_limit_gib": None, "numexpr": "2.14", "numpy": "2.4", "os": "Linux 6.1", "python": "CPython 3.11",
    },
    sort_keys=True,
)  # fmt: skip
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def run_row(
    run_id: str = "run-a", variant: str = "numpy", preset: str = "tiny", number: int = 0, **changes: Any
) -> Row:
    protocol = benchmark_protocol(preset, "squares", "ab" * 32, seed=0, rounds=changes.pop("rounds", 1))
    machine = changes.pop("machine", MACHINE)
    row = {
        "run_id": run_id,
        "cell_id": f"{run_id}/{variant}/{preset}/{number}",
        "kind": "bench",
        "engine": variant.partition("[")[0],
        "variant": variant,
        "preset": preset,
        "round": number,
        "status": "ok",
        "exit_code": 0,
        "signal": None,
        "error_tail": None,
        "command": f"invoke bench --presets {preset} --engines {variant}",
        "protocol_hash": protocol.hash,
        "protocol": protocol.canonical_json,
        "machine_hash": sha256_text(machine),
        "machine": machine,
        "commit": "c" * 40,
        "dirty": False,
        "started_at": START + timedelta(minutes=number),
        "suite": "quick",
        "corpus": "squares",
        "corpus_sha256": "ab" * 32,
        "seed": 0,
        "n_parameters": get_preset(preset).model.n_parameters,
        "tokens_per_step": get_preset(preset).tokens_per_step,
        "warmup_steps": 3,
        "measured_steps": 15,
        "steps_done": 18,
        "limit_seconds": 30.0,
        "peak_memory_bytes": 50_000_000,
        "setup_seconds": 0.1,
        "first_loss": 5.5,
        "last_loss": 5.0,
        "loss_drift": None,
        "held_out_loss": None,
        "wall_seconds": 1.0,
        "resolved_variant": variant,
        "threads": 2,
        "blas_kernel": "Haswell",
        "continues": None,
        "expected_seconds": None,
        "expected_loss": None,
    }
    assert set(changes) <= set(row), sorted(set(changes) - set(row))
    return row | changes


def step_rows(run: Row, seconds: list[float], warmup: int = 3) -> list[Row]:
    """``warmup`` slow steps that must not count, then the given ones."""
    return [
        {
            "run_id": run["run_id"],
            "cell_id": run["cell_id"],
            "step": number,
            "is_warmup": number <= warmup,
            "seconds": time,
            "loss": 5.5 - 0.01 * number,
            "grad_norm": 1.0,
            "elapsed_seconds": float(number),
            "held_out_loss": None,
        }
        for number, time in enumerate([99.0] * warmup + seconds, 1)
    ]


def sample_row(run: Row, text: str = "once") -> Row:
    return {
        "run_id": run["run_id"],
        "cell_id": run["cell_id"],
        "engine": run["engine"],
        "preset": run["preset"],
        "corpus": run["corpus"],
        "step": 18,
        "prompt": "",
        "text": text,
        "temperature": 0.8,
        "top_k": None,
        "seed": 0,
        "n_tokens": 4,
        "tokens_per_second": 1000.0,
        "first_token_seconds": 0.01,
        "train_loss": 5.0,
        "held_out_loss": None,
    }


# Seconds of each part in a step of a tenth of a second; the rest, 5 %, is dispatch.
PART_SECONDS = {
    "product": 0.05, "attention product": 0.01, "attention": 0.008, "normalisation": 0.009, "activation": 0.008,
    "loss": 0.002, "embedding": 0.003, "optimiser": 0.005,
}  # fmt: skip
FORM_NANOSECONDS = {
    ("gelu", "cache"): (1.0, 10.0), ("gelu", "memory"): (2.0, 10.0), ("adamw", "cache"): (1.0, 1.0),
    ("adamw", "memory"): (3.0, 2.0),
}  # fmt: skip


def kernel_rows(run: Row, part_scale: float = 1.0, steps: int = 3, warmup: int = 1) -> list[Row]:
    """Parts of some steps of two workers, and timings of two kernels; the warm-ups are far off."""
    empty = {"worker": None, "form": None, "place": None, "elements": None}
    shared = {"run_id": run["run_id"], "cell_id": run["cell_id"], "preset": run["preset"]} | empty
    rows: list[Row] = []
    for repeat in range(1, warmup + steps + 1):
        is_warmup = repeat <= warmup
        step = shared | {"repeat": repeat, "is_warmup": is_warmup}
        rows.append(step | {"measure": "step", "name": "step", "seconds": 9.0 if is_warmup else 0.1})
        rows += [
            # The second worker's products take longer, by as much as the first one's take less.
            step
            | {"measure": "part", "name": name, "worker": worker}
            | {"seconds": seconds * part_scale * (0.9 + 0.2 * worker if name == "product" else 1.0)}
            for worker in (0, 1)
            for name, seconds in PART_SECONDS.items()
        ]
        rows += [
            step
            | {"measure": "form", "name": kernel, "form": form, "place": place, "elements": 1000}
            | {"seconds": (99.0 if is_warmup else nanoseconds * (1 + 0.01 * repeat)) * 1e-6}
            for (kernel, place), times in FORM_NANOSECONDS.items()
            for form, nanoseconds in zip(("numpy", "numexpr"), times, strict=True)
        ]
    return rows


def kernels_run(run_id: str = "run-k", preset: str = "small", rounds: int = 2, **changes: Any) -> dict[str, list[Row]]:
    """Tables of one run of suite ``kernels``."""
    changes = {"kind": "kernels", "suite": "kernels", "resolved_variant": "vectorized[threads=2,kernels=numexpr:adamw]",
               "rounds": 3} | changes  # fmt: skip
    runs = [run_row(run_id, "kernels", preset, number, **changes) for number in range(rounds)]
    return {
        "runs": runs,
        "steps": [row for run in runs for row in step_rows(run, [0.08] * 5)],
        "kernels": [row for number, run in enumerate(runs) for row in kernel_rows(run, 1.0 - 0.1 * number)],
    }
