"""CPU pressure: the kernel's figure where it can be read, the load where not, and words for both."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinygpt.system.pressure import CpuPressure, parse_pressure, read_pressure

TEXT = "some avg10=12.50 avg60=0.10 avg300=0.12 total=10715467\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


def test_the_ten_second_average_of_the_some_line() -> None:
    assert parse_pressure(TEXT) == 12.5
    assert parse_pressure("full avg10=3.0 total=1\nsome avg10=7.25 total=0") == 7.25


@pytest.mark.parametrize(
    "text", ["", "full avg10=1.00\n", "some avg60=1.0\n", "some avg10=much\n", "some avg10\n", "\n\n"]
)
def test_other_texts_have_no_figure(text: str) -> None:
    with pytest.raises(ValueError, match=r"some|float"):
        parse_pressure(text)


def test_a_readable_file_is_preferred(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text(TEXT)
    assert read_pressure(tmp_path / "cpu") == CpuPressure(12.5, "pressure")


@pytest.mark.parametrize("content", [None, b"", b"some avg60=1.0\n", b"\xff\xfe"])
def test_without_one_the_load_per_core_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "cpu").write_bytes(content)
    monkeypatch.setattr("psutil.getloadavg", lambda: (6.0, 1.0, 1.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3}, raising=False)
    assert read_pressure(tmp_path / "cpu") == CpuPressure(1.5, "load")


@pytest.mark.parametrize(
    ("value", "source", "level"),
    [
        (0.0, "pressure", "calm"),
        (9.99, "pressure", "calm"),
        (10.0, "pressure", "busy"),
        (40.0, "pressure", "strained"),
        (100.0, "pressure", "strained"),
        (1.0, "load", "calm"),
        (1.5, "load", "busy"),
        (3.0, "load", "strained"),
    ],
)
def test_levels(value: float, source: str, level: str) -> None:
    reading = CpuPressure(value, source)
    assert reading.level == level
    assert 0.0 <= reading.share <= 1.0


def test_the_source_is_named() -> None:
    assert CpuPressure(12.4, "pressure").describe() == "12 % waiting"
    assert CpuPressure(1.234, "load").describe() == "load 1.23 per core"


def test_this_machine_has_a_reading() -> None:
    assert read_pressure().value >= 0
