from __future__ import annotations

import json
from pathlib import Path

import pytest

from sitegen.documents.check_record import (
    RECORDS,
    SUMMARY,
    Area,
    areas_table,
    checks_table,
    gather,
    read_areas,
    read_summary,
    recorded,
)
from sitegen.text.errors import SiteError

REPORT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="tests.bench.statistics.test_summary" name="a"/>
<testcase classname="tests.bench.statistics.test_summary" name="b"><failure message="x">y</failure></testcase>
<testcase classname="tests.bench.arms.test_suites.TestX" name="c"><error>y</error></testcase>
<testcase classname="tests.sitegen.test_x" name="d"><skipped/></testcase>
<testcase classname="tests.test_tasks" name="e"/>
</testsuite></testsuites>"""


def write_report(report: Path, code: int = 1) -> int:
    report.write_text(REPORT)
    return code


def test_tests_are_counted_by_folder(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    write_report(report)
    assert read_areas(report) == (Area("tests", 1), Area("tests/bench", 1, 2), Area("tests/sitegen", 0, 0, 1))


def test_a_check_is_recorded_whatever_its_end_and_gathered_for_the_page(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    assert recorded(tmp_path, "test", write_report) == 1
    assert recorded(tmp_path, "lint", lambda report: 0) == 0
    records = gather(tmp_path)
    assert [(record.name, record.passed) for record in records] == [("test", False), ("lint", True)]
    assert records == read_summary(tmp_path)
    assert records[0].areas[1] == Area("tests/bench", 1, 2)
    assert "failed" in checks_table(records)
    assert "&#47;sitegen" in areas_table(records)


def test_gathering_keeps_what_another_place_recorded(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    recorded(tmp_path, "parity", lambda report: 0)
    gather(tmp_path)
    (tmp_path / RECORDS / "parity.json").unlink()
    recorded(tmp_path, "types", lambda report: 2)
    assert [(record.name, record.passed) for record in gather(tmp_path)] == [("types", False), ("parity", True)]


def test_an_old_report_is_not_counted_again(tmp_path: Path) -> None:
    recorded(tmp_path, "test", write_report)
    recorded(tmp_path, "test", lambda report: 4)  # died before it counted anything
    record = json.loads((tmp_path / RECORDS / "test.json").read_text())
    assert record["passed"] is False
    assert record["areas"] == []


def test_without_records_page_and_task_say_how_to_make_some(tmp_path: Path) -> None:
    assert read_summary(tmp_path) == []
    for text in (checks_table([]), areas_table([])):
        assert "invoke checks" in text
    with pytest.raises(SiteError, match="no check was recorded"):
        gather(tmp_path)


def test_a_damaged_summary_is_an_error_that_helps(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    for text in ("{", '[{"name": "test"}]', "[1]"):
        (tmp_path / SUMMARY).write_text(text)
        with pytest.raises(SiteError, match=r"checks\.json cannot be read.*invoke checks"):
            read_summary(tmp_path)
