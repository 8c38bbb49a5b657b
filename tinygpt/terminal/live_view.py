"""The view of a training run: a live panel on a terminal, occasional lines elsewhere.

Events pass through both unchanged, so that a recorder can follow the view.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tinygpt.checkpoints.layout import BEST, KEPT
from tinygpt.runs.progress import RunProgress
from tinygpt.system.pressure import read_pressure
from tinygpt.system.stopping import StopRequest
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.output import OptionalOutput, make_console
from tinygpt.terminal.panel import LiveView, parameters_text
from tinygpt.terminal.quantities import clock, losses
from tinygpt.terminal.visible import encodable, visible_text
from tinygpt.training.events import CheckpointRecord, EvaluationRecord, Event, SampleRecord, StartRecord, StopRecord
from tinygpt.training.trainer import StepRecord

_PLAIN_LINES = 20  # step lines in a whole run


def watch(
    events: Iterable[Event],
    *,
    console: Console | None = None,
    stop: StopRequest | None = None,
    every: int | None = None,
    lost: Callable[[str], None] = lambda _reason: None,
) -> Iterator[Event]:
    """Show a run while passing its events on.

    Args:
        events: from :func:`tinygpt.training.session.run_session`.
        console: by default standard output. On a terminal the view is live, elsewhere plain.
        stop: the session's stop request, which the view shows at once.
        every: steps between lines of the plain view; by default a twentieth of the run.
        lost: called with the reason when the output can no longer be written; the run continues.
    """
    console = console or make_console()
    live = console.is_terminal and not console.is_dumb_terminal and not console.options.ascii_only
    output = OptionalOutput(lost)
    return _watch_live(events, console, stop, output) if live else _watch_plain(events, console, every, output)


def _watch_live(
    events: Iterable[Event], console: Console, stop: StopRequest | None, output: OptionalOutput
) -> Iterator[Event]:
    live: Live | None = None
    progress: RunProgress | None = None
    try:
        for event in events:
            if isinstance(event, StartRecord):
                if event.warning:
                    output(partial(console.print, Text(event.warning, style="yellow")))
                for change in event.changes:
                    output(partial(console.print, Text(change)))
                progress = RunProgress(event)
                live = Live(LiveView(progress, stop), console=console, refresh_per_second=4)
                output(live.start)
            elif progress is not None and live is not None:
                progress.update(event)
                if not isinstance(event, StepRecord):
                    output(live.refresh)
            yield event
    finally:
        if live is not None:
            output(live.stop)
        _close(events)
    if progress is not None and progress.stopped is not None:
        line = Text(closing_line(progress.stopped, progress))
        output(partial(console.print, line, soft_wrap=True))  # a command stays one line to copy


# ---- plain -----------------------------------------------------------------------------------------------------


def _watch_plain(
    events: Iterable[Event], console: Console, every: int | None, output: OptionalOutput
) -> Iterator[Event]:
    progress: RunProgress | None = None

    def write(lines: Iterable[str]) -> None:  # not through rich: a log needs neither wrapping nor markup
        console.file.writelines(encodable(visible_text(line), console.file) + "\n" for line in lines)
        console.file.flush()

    try:
        for event in events:
            if isinstance(event, StartRecord):
                progress = RunProgress(event)
                every = every or max(1, event.plan.steps // _PLAIN_LINES)
            elif progress is not None:
                progress.update(event)
            if progress is not None and (not isinstance(event, StepRecord) or event.step % (every or 1) == 0):
                output(partial(write, plain_lines(event, progress)))
            yield event
    finally:
        _close(events)


def _close(events: Iterable[Event]) -> None:
    """Have a session save and restore the signal handlers now, not when it is garbage-collected."""
    if isinstance(events, Generator):
        events.close()


def plain_lines(event: Event, progress: RunProgress) -> Iterator[str]:
    """Format an event as lines for a log; control characters in a model's text become pictures."""
    each = progress.start.bytes_per_token
    match event:
        case StartRecord():
            plan, name = event.plan, event.tokenizer.name
            tokenizer = "" if each == 1.0 else f"tokenizer {visible_text(name)} ({each:.2f} bytes a token), "
            yield (
                f"{visible_text(plan.title)}, {parameters_text(event)}, engine {plan.engine}, {tokenizer}"
                f"corpus {visible_text(plan.corpus)} ({event.corpus_bytes:,} bytes), steps {event.first_step:,} to "
                f"{plan.steps:,}, out {visible_text(str(plan.out))}"
            )
            if event.warning:
                yield f"warning: {event.warning}"
            yield from event.changes
        case StepRecord():
            left, speed, pressure = progress.seconds_left, progress.tokens_per_second, read_pressure()
            yield (
                f"step {event.step:,}/{progress.start.plan.steps:,}  loss {losses(event.loss, each)}  "
                f"{speed or 0:,.0f} tokens/s  {clock(left or 0)} left  CPU {pressure.level}, {pressure.describe()}"
            )
        case EvaluationRecord():
            yield (
                f"evaluation at step {event.step:,}: training loss {losses(event.train_loss, each)}, "
                f"held-out loss {losses(event.held_out_loss, each)}"
            )
        case SampleRecord():
            yield f"sample at step {event.step:,}, {event.tokens_per_second:,.0f} tokens/s:"
            for line in visible_text(event.prompt + event.text).strip("\n").split("\n"):
                yield f"  | {line}"
        case CheckpointRecord():
            checked = ", read back and compared" if event.verified else ""
            best, path = "the best so far, " if event.best else "", visible_text(str(event.path))
            yield f"saved {best}step {event.step:,} to {path} in {event.seconds:.1f} s{checked}"
        case StopRecord():
            yield closing_line(event, progress)


def closing_line(event: StopRecord, progress: RunProgress) -> str:
    """Format how a run ended, with the next command."""
    values = {
        "training loss": event.train_loss,
        "held-out loss": event.held_out_loss,
        "before the first step": progress.loss_before,
    }
    each = progress.start.bytes_per_token
    shown = [f", {name} {losses(value, each, 3)}" for name, value in values.items() if value is not None]
    return as_called(_closing_line(event, "".join(shown), bool(progress.start.train.lora)))


def _closing_line(event: StopRecord, losses: str, is_adapter: bool) -> str:
    plan, out = event.plan, shlex.quote(str(event.plan.out))
    if event.reason == "finished":
        head = f"finished step {event.step:,} of {plan.steps:,} after {clock(event.elapsed_seconds)}{losses}"
        whole = f"; for other programs: invoke merge --adapter {out} --out {out}-merged" if is_adapter else ""
        return f"{head}; try: invoke sample --checkpoint {out}{whole}"
    if event.reason == "stopped early":
        head = f"stopped early at step {event.step:,} of {plan.steps:,}, as the held-out loss no longer fell{losses}"
        return f"{head}; the best weights: {shlex.quote(str(plan.out / KEPT / BEST))}"
    by = f" by {event.signal}" if event.signal else ""
    head = f"stopped{by} and saved at step {event.step:,} of {plan.steps:,}{losses}"
    return f"{head}; continue with: {plan.resume_command()}"
