from __future__ import annotations

import math

import pytest

from tinygpt.terminal import quantities


@pytest.mark.parametrize(
    ("write", "values"),
    [
        ("clock", {0: "0:00", 7.4: "0:07", 59.6: "1:00", 754: "12:34", 3723: "1:02:03", -1: "0:00", 12000: "3:20:00"}),
        ("significant", {77_989: "78,000", 0.07123: "0.0712", 9.999: "10.0", 999.6: "1,000", 0: "0"}),
        ("duration", {0: "0 s", 8.5e-5: "85.0 µs", 0.9997e-3: "1.00 ms", 0.0134: "13.4 ms", 0.9997: "1.00 s",
                      3.052: "3.05 s", 82.2: "82.2 s", 606: "10.1 min", 7300: "2.03 h", 22_300: "6.19 h",
                      math.nan: "–"}),
        ("milliseconds", {0.000012: "0.0120 ms", 0.00341: "3.41 ms", 1.234: "1,230 ms"}),
        ("ratio", {0.0089: "0.00890×", 0.85: "0.850×", 6.129: "6.13×", 132.4: "132×", 1240: "1,240×"}),
        ("megabytes", {312e6: "312 MB", 0.9996e9: "1.00 GB", 1.84e9: "1.84 GB"}),
        ("short_count", {940: "940", 38_400: "38.4 k", 1_520_000: "1.52 M", 2.1e9: "2.1 G"}),
        ("gibibytes", {2**28: "0.25 GiB", 13_314_398_618: "12.4 GiB"}),
    ],
)  # fmt: skip
def test_quantities_are_formatted(write: str, values: dict[float, str]) -> None:
    assert {value: getattr(quantities, write)(value) for value in values} == values


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(117, 130.8, "1.95 to 2.18 min"), (14.3, 15.8, "14.3 to 15.8 s"), (9.4e-4, 1.02e-3, "0.940 to 1.02 ms")],
)
def test_a_range_of_times_has_one_unit(low: float, high: float, text: str) -> None:
    assert quantities.durations(low, high) == text


def test_unknown_values_are_dashes() -> None:
    assert [quantities.or_dash(value, ".2f") for value in (None, math.nan, 1.234)] == ["–", "–", "1.23"]
