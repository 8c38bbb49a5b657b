"""The view: events pass through unchanged, both forms show the main figures, and a model's text is harmless."""

from __future__ import annotations

import io
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tinygpt.config import TrainConfig
from tinygpt.runs.progress import RunProgress
from tinygpt.system.pressure import CpuPressure
from tinygpt.system.stopping import StopRequest
from tinygpt.terminal.live_view import watch
from tinygpt.terminal.panel import LiveView, sparkline
from tinygpt.training.events import CheckpointRecord, EvaluationRecord, Event, SampleRecord, StartRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.trainer import StepRecord

HARMFUL = "line\x1b[2J\x1b]0;title\x07 [bold red]markup[/] \r\x08\x9b1m\u202etfel\nsecond\ttab"


def run(steps: int = 40, text: str = "hello world\nsecond line", corpus: str = "fables") -> list[Event]:
    plan = TrainingPlan(Path("runs/my run"), preset="tiny", corpus=corpus, engine="numpy", steps=steps, sample_every=20)
    start = StartRecord(plan, TrainConfig(16), {}, "ab" * 32, 123_456, 70_464, 0, "the text is small")
    events: list[Event] = [start]
    for step in range(1, steps + 1):
        events.append(StepRecord(step, 5.0 - step / 100, 1.0, 3e-4, 0.01, 512))
        if step == 1:
            events.append(CheckpointRecord(1, plan.out, 0.5, True))
        if step % 20 == 0:
            events.append(EvaluationRecord(step, 4.75, 4.875, 1.0))
            events.append(SampleRecord(step, "Once", text, 20, 0.8, 40, 0, 1234.5, 0.003, 4.75, 4.875))
    events.append(CheckpointRecord(steps, plan.out, 0.25, False))
    events.append(StopRecord("finished", None, 0, steps, plan, 4.75, 4.875, 75.0))
    return events


def plain(events: list[Event], every: int | None = None, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding, write_through=True), width=40)
    assert list(watch(events, console=console, every=every)) == events
    return raw.getvalue().decode(encoding)


def panel(events: list[Event], width: int = 80, height: int = 24, stop: StopRequest | None = None) -> list[str]:
    """Return the panel's lines after some events, without colours."""
    start = events[0]
    assert isinstance(start, StartRecord)
    progress = RunProgress(start)
    for event in events[1:]:
        progress.update(event)
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None, force_terminal=True)
    console.print(LiveView(progress, stop))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def live_output(events: Iterator[Event] | list[Event]) -> str:
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True, color_system="standard")
    console.legacy_windows = False
    for _ in watch(events, console=console):
        pass
    return console.file.getvalue()  # type: ignore[attr-defined]


# ---- plain ---------------------------------------------------------------------------------------------------


def test_plain_lines_come_every_n_steps() -> None:
    lines = plain(run(), every=10).splitlines()
    assert [line.split("/")[0] for line in lines if line.startswith("step ")] == [f"step {n}" for n in (10, 20, 30, 40)]
    assert "step 10/40  loss 4.9000  51,200 tokens/s" in "\n".join(lines)
    assert "warning: the text is small" in lines
    assert "evaluation at step 20: training loss 4.7500, held-out loss 4.8750" in lines
    assert "saved step 1 to runs/my run in 0.5 s, read back and compared" in lines
    at = lines.index("sample at step 20, 1,234 tokens/s:")
    assert lines[at + 1 : at + 3] == ["  | Oncehello world", "  | second line"]
    assert lines[-1] == (
        "finished step 40 of 40 after 1:15, training loss 4.750, held-out loss 4.875; "
        "try: invoke sample --checkpoint 'runs/my run'"
    )


def test_plain_lines_are_a_twentieth_of_the_run_apart() -> None:
    assert plain(run(steps=200)).count("\nstep ") == 20
    assert plain(run(steps=7)).count("\nstep ") == 7


def test_an_interrupted_run_names_the_command_to_resume() -> None:
    events = run(steps=7)[:-2]
    start = events[0]
    assert isinstance(start, StartRecord)
    out = plain([*events, StopRecord("interrupted", "SIGINT", 130, 7, start.plan, None, None, 3.0)])
    assert out.splitlines()[-1] == (
        "stopped by SIGINT and saved at step 7 of 7; continue with: invoke train --resume --out 'runs/my run'"
    )


def test_plain_output_survives_an_ascii_log() -> None:
    out = plain(run(text="café \u2400"), encoding="ascii")
    assert "caf?" in out


def test_plain_output_is_free_of_control_characters() -> None:
    out = plain(run(text=HARMFUL, corpus="file:\x1b[31m.txt"))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", out)
    assert "[bold red]markup[/]" in out and "␛[2J" in out


# ---- live ----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def steady_pressure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygpt.terminal.panel.read_pressure", lambda: CpuPressure(12.0, "pressure"))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_panel_fits_and_never_jumps(width: int) -> None:
    shown = [panel(run()[:n], width) for n in (1, 2, 10, 25, 30, len(run()))]
    assert len({len(lines) for lines in shown}) == 1
    assert all(len(line) <= width for lines in shown for line in lines)
    assert len(shown[0]) <= 22


def test_the_panel_shows_the_main_figures() -> None:
    text = "\n".join(panel(run()))
    for part in (
        "tiny · 70,464 parameters · numpy · fables",
        "step 40 of 40",
        "done",
        "training loss  4.695",
        "held-out loss  4.875  at step 40",
        "51,200 tokens/s",
        "busy  12 % waiting",
        "sample at step 40 · 1,234 tokens/s · first token 3 ms",
        "Oncehello world",
        "second line",
        "runs/my run, saved at step 40",
    ):
        assert part in text, part
    assert "Ctrl-C" not in text
    early = "\n".join(panel(run()[:6]))
    assert "Ctrl-C saves and stops" in early and "the first sample comes at step 20" in early and " left" in early


def test_a_request_to_stop_shows_at_once() -> None:
    stop = StopRequest()
    stop.request()
    assert "stopping after this step" in "\n".join(panel(run()[:8], stop=stop))


def test_a_small_terminal_gets_fewer_lines_of_text() -> None:
    assert len(panel(run(), height=16)) < len(panel(run(), height=24)) <= 22


def test_live_output_carries_no_control_characters_of_the_model() -> None:
    out = live_output(run(text=HARMFUL))
    for harmful in ("\x1b[2J", "\x1b]0;", "\x07", "\x08", "\x9b", "\u202e"):
        assert harmful not in out
    assert "[bold red]markup[/]" in out and "␛[2J" in out


def test_the_live_view_hands_every_event_on_and_ends_with_the_outcome() -> None:
    events = run()
    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=True)
    assert list(watch(events, console=console)) == events
    assert "finished step 40 of 40" in console.file.getvalue()  # type: ignore[attr-defined]


def test_an_error_restores_the_terminal_and_passes() -> None:
    def failing() -> Iterator[Event]:
        yield from run()[:5]
        raise ValueError("boom")

    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    with pytest.raises(ValueError, match="boom"):
        list(watch(failing(), console=console))
    assert console.file.getvalue().endswith("\x1b[?25h")  # type: ignore[attr-defined]  # the cursor is shown again


@pytest.mark.parametrize("terminal", [True, False])
def test_a_consumer_that_leaves_closes_the_session(terminal: bool) -> None:
    closed = []

    def session() -> Iterator[Event]:
        try:
            yield from run()
        finally:
            closed.append(True)

    watched = watch(session(), console=Console(file=io.StringIO(), force_terminal=terminal, width=80, height=24))
    next(watched)
    next(watched)
    watched.close()  # type: ignore[attr-defined]
    assert closed == [True]


# ---- small parts ---------------------------------------------------------------------------------------------


def test_sparklines() -> None:
    assert sparkline([], 10) == ""
    assert sparkline([2.0], 10) == "▁"
    assert sparkline([1.0, 1.0], 10) == "▁▁"
    assert sparkline([3.0, 2.0, 1.0], 10) == "█▅▁"
    assert sparkline([0.0, 2e-313], 2) == "▁█"
    assert sparkline([4.0] * 50 + [0.0] * 50, 4) == "██▁▁"


@given(values=st.lists(st.floats(0, 10), max_size=200), width=st.integers(1, 50))
def test_sparklines_fit(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) == min(width, len(values))


def test_no_signal_handler_is_left_behind() -> None:
    before = signal.getsignal(signal.SIGINT)
    live_output(run())
    assert signal.getsignal(signal.SIGINT) is before
