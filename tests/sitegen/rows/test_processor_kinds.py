from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from sitegen.rows.processor_kinds import PROCESSOR_KINDS, processor_kind
from sitegen.rows.results import load_results
from sitegen.tables.machine_tables import accelerators_table, processors_table, wanted_table
from tests.sitegen import example_rows as rows


@pytest.mark.parametrize(
    ("cpu", "level", "name"),
    [
        ("AMD EPYC", "x86-64-v4", "AMD with AVX-512, generation hidden"),
        ("AMD EPYC 9654 96-Core Processor", "x86-64-v4", "AMD Zen 4"),
        ("AMD Ryzen 7 7840U w/ Radeon 780M Graphics", "x86-64-v4", "AMD Zen 4"),
        ("AMD Ryzen 7 7730U with Radeon Graphics", "x86-64-v3", "AMD without AVX-512"),
        ("AMD EPYC 9755 128-Core Processor", "x86-64-v4", "AMD Zen 5"),
        ("AMD Ryzen 9 9950X 16-Core Processor", "x86-64-v4", "AMD Zen 5"),
        ("AMD Ryzen AI 9 HX 370 w/ Radeon 890M", "x86-64-v4", "AMD Zen 5"),
        ("AMD EPYC 7763 64-Core Processor", "x86-64-v3", "AMD without AVX-512"),
        ("Intel(R) Xeon(R) Processor", "x86-64-v4", "Intel with AVX-512"),
        ("12th Gen Intel(R) Core(TM) i7-1260P", "x86-64-v3", "Intel without AVX-512"),
        ("Apple M3 Pro", "arm64", "Apple"),
        ("Neoverse-N1", "arm64", "ARM"),
        ("SiFive U74", "riscv64", "others"),
    ],
)
def test_the_kind_of_a_processor(cpu: str, level: str, name: str) -> None:
    assert processor_kind({"cpu": cpu, "arch_level": level}).name == name


def test_a_kind_without_rows_is_wanted_and_accelerators_are_no_processors(tmp_path: Path) -> None:
    epyc = rows.MACHINE | {"cpu": "AMD EPYC"}
    rounds = (rows.cell("vectorized", "tiny", 4.0, "run-1", number, machine=epyc) for number in range(6))
    results = load_results(rows.store(tmp_path, rows.joined(*rounds), rows.accelerated()))
    wanted = unescape(wanted_table(results)).split("<tr>")[2:]
    assert len(wanted) == len(PROCESSOR_KINDS)
    measured = next(row for row in wanted if "generation hidden" in row)
    assert '<td class="tg-numeric" data-sort="1">tiny</td>' in measured and measured.count(">wanted<") == 1
    assert all(row.count(">wanted<") == 2 for row in wanted if row is not measured)
    processors, accelerators = unescape(processors_table(results)), unescape(accelerators_table(results))
    assert "AMD EPYC, 2 cores" in processors and "GPU" not in processors
    assert "Example GPU 80GB" in accelerators and "EPYC" not in accelerators


def test_without_rows_the_tables_say_what_to_run(tmp_path: Path) -> None:
    nothing = load_results(tmp_path)
    assert "invoke bench --suite standard" in unescape(processors_table(nothing))
    assert "invoke accelerator" in unescape(accelerators_table(nothing))
    assert unescape(wanted_table(nothing)).count(">wanted<") == 2 * len(PROCESSOR_KINDS)
