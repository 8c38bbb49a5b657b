"""The record of how well the statistics fit the rows: made by `invoke results calibrate`, shown on the method page.

It lies beside the rows that it was made from, as ``calibration.json``. Unlike them it can be made again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.arms.devices import of_processors
from bench.records.rows import LOCAL, PUBLISHED
from bench.records.store import read_tables
from bench.statistics.cells import cell_summary
from bench.statistics.compare import KINDS
from bench.statistics.controls import Record, probe_rounds
from bench.statistics.real_rounds import Noise, noise_of, real_rounds
from bench.statistics.simulation import SIMULATIONS, Check
from tinygpt.errors import ResultsError
from tinygpt.system.files import replace_file

ENOUGH_ARMS = 20
COMMAND = "invoke results calibrate"


@dataclass(frozen=True)
class Calibration:
    """The statistics checked against an area's rows.

    Attributes:
        between_runs: standard deviation of log times of unchanged code between two runs; NaN without two.
        beside_controls: the same, with the controls divided out.
        checks: promises, and how often they were kept.
    """

    origin: str
    run_ids: tuple[str, ...]
    noise: Noise
    between_runs: float
    beside_controls: float
    checks: tuple[Check, ...]


def calibrate(root: Path, progress: Callable[[str], None] = lambda _: None) -> list[Calibration]:
    """Simulate on the rows of each area, and write the outcome beside them.

    Args:
        progress: called with each area's name before its turn.

    Raises:
        ResultsError: no area has ``ENOUGH_ARMS`` arms of six rounds; or a file cannot be read.
        StorageError: a file cannot be written.
    """
    runs, steps, probes = read_tables(root, ("runs", "steps", "probes"))
    runs = of_processors(runs)
    made = []
    for origin in (PUBLISHED, LOCAL):
        cells = cell_summary(runs[runs["origin"] == origin], steps, KINDS)
        real, record = real_rounds(cells), Record(cells, probe_rounds(runs, probes))
        if len(real.arms) < ENOUGH_ARMS or not real.pairs:
            continue
        progress(origin)
        made.append(
            Calibration(
                origin,
                tuple(sorted({cell.run_id for cell in cells if cell.has_interval})),
                noise_of(cells),
                math.sqrt(record.bare_mean_square),
                math.sqrt(record.mean_square),
                tuple(check for simulate in SIMULATIONS for check in simulate(real, record)),
            )
        )
        replace_file(_file(root, origin), [json.dumps(asdict(made[-1]), indent=1).encode()])
    if not made:
        allowed = f"{ENOUGH_ARMS} arms of six rounds, measured together"
        raise ResultsError("too few rows to simulate with", allowed, "invoke bench --suite standard")
    return made


def read_calibrations(root: Path) -> list[Calibration]:
    """The stored calibrations, the published one first.

    Raises:
        ResultsError: a file is damaged.
    """
    return [_read(path) for path in (_file(root, PUBLISHED), _file(root, LOCAL)) if path.exists()]


def _file(root: Path, origin: str) -> Path:
    return root / origin / "calibration.json"


def _read(path: Path) -> Calibration:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        checks = tuple(Check(**check) for check in stored["checks"])
        return Calibration(
            **stored | {"run_ids": tuple(stored["run_ids"]), "noise": Noise(**stored["noise"]), "checks": checks}
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path} cannot be read", f"a file that {COMMAND} wrote", COMMAND) from error


def facts(found: Calibration) -> list[tuple[str, str]]:
    """The components of the noise, by names and values in words."""
    noise = found.noise
    return [
        ("arms of six rounds or more", f"{noise.n_arms} in {len(found.run_ids)} runs"),
        ("spread of an arm's rounds (standard deviation, median over arms)", f"{noise.between_rounds:.1%}"),
        ("that spread over what independent steps would give", f"{noise.over_independent:.1f}×"),
        ("correlation of neighbouring steps in a round", f"{noise.neighbours:.2f}"),
        ("correlation of the ratios of neighbouring rounds", f"{noise.neighbouring_rounds:.2f}"),
        ("rounds that took more than 1.25 times their arm's fastest", f"{noise.apart:.0%}"),
        ("spread of a round's ratio (standard deviation, median over pairs of arms)", f"{noise.of_ratio:.1%}"),
        ("unchanged code in two runs (standard deviation)", _spread(found.between_runs)),
        ("the same beside controls", _spread(found.beside_controls)),
    ]


def _spread(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:.1%}"
