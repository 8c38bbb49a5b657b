from __future__ import annotations

import html
import re
from pathlib import Path

from bench.records.rows import Rows
from sitegen.rows.results import load_results
from sitegen.tables.probe_table import probe_table
from tests.bench.rows import probe_rows
from tests.sitegen import example_rows as rows


def test_both_ratios_stand_side_by_side(tmp_path: Path) -> None:
    run = Rows()
    for number in range(6):
        # The machine is twice as slow while torch runs in every second round.
        for variant, milliseconds, slowdown in (("vectorized", 4.0, 1.0), ("torch", 8.0, 1.0 + number % 2)):
            kind = "peer" if variant == "torch" else "bench"
            cell = rows.cell(variant, "tiny", milliseconds * slowdown, round_number=number, kind=kind)
            run += cell + Rows(probes=probe_rows(cell.runs[0], [0.003 * slowdown] * 7))
    results = load_results(rows.store(tmp_path, run))
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", probe_table(results))))
    assert "tiny torch 2.83×, 2.00× to 4.00× 2.00×, 2.00× to 2.00× 1.50× 3 of 6 0 100 run-1" in text
    assert "No run on record has the probe" in probe_table(load_results(tmp_path / "none"))
