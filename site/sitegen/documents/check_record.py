"""What the checks said last time: recorded as they run, gathered into ``results/checks.json``, shown to readers.

``invoke test``, ``lint``, ``types``, ``browser`` and ``parity`` each leave a record in ``.site/checks/``: passed or
not, when, at which commit, and for pytest how many tests of each folder came out how. ``invoke checks`` runs all five
and gathers the records; ``invoke checks --collect`` only gathers, which is what CI does after its own run.
"""

from __future__ import annotations

import json
import subprocess
import time
import xml.etree.ElementTree as etree
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sitegen.text import quantities
from sitegen.text.errors import SiteError
from sitegen.text.escape import html_block
from sitegen.text.markup import TableCell, html_table, nothing_yet

RECORDS = Path(".site/checks")  # under the checkout
SUMMARY = Path("results/checks.json")
# In the order of the page; each is the name of an Invoke task.
CHECKS = ("test", "lint", "types", "browser", "parity")
COMMAND = "invoke checks"


@dataclass(frozen=True)
class Area:
    """Tests of one folder.

    Attributes:
        name: the folder.
        passed: tests that passed.
        failed: tests that failed or could not start.
        skipped: tests that did not run.
    """

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class Record:
    """One run of one check.

    Attributes:
        name: one of ``CHECKS``.
        passed: whether its exit code was 0.
        seconds: it took.
        finished_at: ISO 8601, UTC.
        commit: of the code; empty outside a checkout with git.
        dirty: whether the code differed from it.
        areas: of its tests; empty for a check without tests.
    """

    name: str
    passed: bool
    seconds: float
    finished_at: str
    commit: str
    dirty: bool
    areas: tuple[Area, ...] = ()


def recorded(root: Path, name: str, run: Callable[[Path], int]) -> int:
    """Run a check and keep what it said.

    Args:
        root: the checkout.
        name: one of ``CHECKS``.
        run: does it, given the file that pytest's XML report goes to, and returns the exit code.
    """
    folder = root / RECORDS
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / f"{name}.xml"
    report.unlink(missing_ok=True)
    start = time.perf_counter()
    code = run(report)
    areas = read_areas(report) if report.is_file() else ()
    commit = _git(root, "rev-parse", "HEAD")
    record = Record(
        name, code == 0, time.perf_counter() - start, datetime.now(UTC).isoformat(timespec="seconds"), commit,
        bool(commit and _git(root, "status", "--porcelain", "--", ".", ":!results")), areas,
    )  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    return code


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def read_areas(report: Path) -> tuple[Area, ...]:
    """Counts by folder from pytest's JUnit XML."""
    counts: dict[str, list[int]] = {}
    for case in etree.parse(report).iter("testcase"):
        module = case.get("classname", "").split(".")
        area = "/".join(module[:2]) if len(module) > 2 else "tests"
        kinds = {child.tag for child in case}
        column = 1 if kinds & {"failure", "error"} else 2 if "skipped" in kinds else 0
        counts.setdefault(area, [0, 0, 0])[column] += 1
    return tuple(Area(name, *counts[name]) for name in sorted(counts))


def gather(root: Path) -> list[Record]:
    """Write the records of this checkout into the summary; those of checks that did not run here stay as they were.

    Raises:
        SiteError: there is no record at all.
    """
    records = {record.name: record for record in read_summary(root)}
    here = [root / RECORDS / f"{name}.json" for name in CHECKS]
    found = [path for path in here if path.is_file()]
    if not found:
        raise SiteError("no check was recorded in this checkout", ", ".join(CHECKS), COMMAND)
    records |= {path.stem: _record(json.loads(path.read_text(encoding="utf-8"))) for path in found}
    ordered = [records[name] for name in CHECKS if name in records]
    text = json.dumps([asdict(record) for record in ordered], indent=1)
    (root / SUMMARY).write_text(text + "\n", encoding="utf-8")
    return ordered


def read_summary(root: Path) -> list[Record]:
    """The gathered records; none where nobody gathered any.

    Raises:
        SiteError: the file is not what :func:`gather` writes.
    """
    path = root / SUMMARY
    if not path.is_file():
        return []
    try:
        return [_record(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, AttributeError) as error:
        raise SiteError(f"{SUMMARY} cannot be read: {error}", f"what `{COMMAND}` writes", COMMAND) from None


def _record(entry: dict[str, object]) -> Record:
    areas = entry.get("areas", [])
    assert isinstance(areas, list)
    return Record(**{**entry, "areas": tuple(Area(**area) for area in areas)})  # type: ignore[arg-type]


# ---- tables --------------------------------------------------------------------------------------------


def checks_table(records: list[Record]) -> str:
    """The checks with their last result."""
    if not records:
        return nothing_yet("No check is recorded", COMMAND)
    rows: list[list[TableCell | str]] = [
        [
            TableCell("", html=f"<code>invoke {html_block(record.name)}</code>"),
            _state(record.passed, "passed" if record.passed else "failed"),
            TableCell(quantities.duration(record.seconds), sort=record.seconds),
            TableCell(record.finished_at[:16].replace("T", " "), sort=record.finished_at),
            quantities.age(datetime.fromisoformat(record.finished_at)),
            f"{record.commit[:7] or 'unknown'}{' with uncommitted changes' if record.dirty else ''}",
        ]
        for record in records
    ]
    return html_table("Checks", ["check", "result", "took", "finished (UTC)", "age", "commit"], rows)


def areas_table(records: list[Record]) -> str:
    """Tests by folder, with counts."""
    areas = [(record.name, area) for record in records for area in record.areas]
    if not areas:
        return nothing_yet("No test is counted", COMMAND)
    rows: list[list[TableCell | str]] = [
        [
            TableCell("", html=f"<code>{html_block(area.name)}</code>"),
            TableCell("", html=f"<code>invoke {html_block(check)}</code>"),
            TableCell(str(area.passed), sort=area.passed),
            _state(area.failed == 0, str(area.failed)),
            TableCell(str(area.skipped), sort=area.skipped),
        ]
        for check, area in areas
    ]
    return html_table("Tests by area", ["area", "run by", "passed", "failed", "skipped"], rows)


def _state(good: bool, text: str) -> TableCell:
    kind = "good" if good else "bad"
    return TableCell(text, sort=text, html=f'<span class="tg-state tg-state--{kind}">{html_block(text)}</span>')
