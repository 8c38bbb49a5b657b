"""The table of micro: our newest machine that measured it, then the published times with their sources."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

from sitegen.rows.results import load_results
from sitegen.tables.micro import PUBLISHED, micro_table
from tests.sitegen import example_rows as rows


def test_our_times_and_the_published_ones_have_their_machines_and_sources(tmp_path):
    other = rows.cell("numpy", "micro", 9.0, "older", machine=rows.MACHINE | {"cpu": "Other 1"})
    later = rows.START + timedelta(days=1)
    engines = {"python": 41.0, "compiled": 0.3}
    ours = [rows.cell(name, "micro", time, "newer", started_at=later) for name, time in engines.items()]
    table = unescape(micro_table(load_results(rows.store(tmp_path, other, rows.joined(*ours)))))
    assert "41.0 ms" in table and "300 µs" in table and "9.00 ms" not in table
    for one in PUBLISHED:
        assert one.address in table and one.words.split()[0] in table
    assert table.count("<tr>") == 1 + 2 + len(PUBLISHED)


def test_without_a_cell_the_command_is_named_above_the_published_times(tmp_path):
    table = unescape(micro_table(load_results(tmp_path)))
    assert "invoke bench" in table and table.count("<tr>") == 1 + len(PUBLISHED)
