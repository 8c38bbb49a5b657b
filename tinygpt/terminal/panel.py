"""The live panel, of constant size: progress, losses, speed, CPU pressure and the newest sample."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tinygpt.runs.progress import RunProgress
from tinygpt.system.pressure import CpuPressure, read_pressure
from tinygpt.system.stopping import StopRequest
from tinygpt.terminal.quantities import DASH, clock
from tinygpt.terminal.visible import visible_text
from tinygpt.training.events import StartRecord

_LEVEL_STYLES = {"calm": "green", "busy": "yellow", "strained": "red"}
_BLOCKS = "▁▂▃▄▅▆▇█"
_GAUGE_CELLS = 10
_PRESSURE_SECONDS = 1.0
_SAMPLE_LINES = 9
_CURVE_CELLS = 60
_OTHER_LINES = 13  # of the panel and below it


class LiveView:
    """The panel, drawn from the progress at each refresh of the screen."""

    def __init__(self, progress: RunProgress, stop: StopRequest | None = None) -> None:
        self.progress = progress
        self.stop = stop
        self._pressure: CpuPressure | None = None
        self._pressure_at = float("-inf")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        yield Panel(
            Group(self._progress_line(), Text(), self._figures(width), Text(), *self._sample(options)),
            title=self._title(),
            title_align="left",
            subtitle=self._footer(width),
            subtitle_align="left",
            border_style="dim",
            padding=(1, 2, 0, 2),
        )

    def _title(self) -> Text:
        start = self.progress.start
        return Text.assemble(
            (visible_text(start.plan.title), "bold"),
            f" · {parameters_text(start)} · {start.plan.engine} · {visible_text(start.plan.corpus)}",
        )

    def _progress_line(self) -> Table:
        progress, total = self.progress, self.progress.start.plan.steps
        done = progress.step >= total
        left = "done" if done else DASH if progress.seconds_left is None else f"{clock(progress.seconds_left)} left"
        table = Table.grid(expand=True, padding=(0, 2, 0, 0))
        table.add_column(ratio=1)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True, min_width=12)
        bar = ProgressBar(total, progress.step, complete_style="cyan", finished_style="green", style="grey30")
        table.add_row(bar, f"step {progress.step:,} of {total:,}", Text(left, style="bold" if not done else "green"))
        return table

    def _figures(self, width: int) -> Table:
        progress = self.progress
        loss, speed = progress.train_loss, progress.tokens_per_second
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(no_wrap=True)
        trained, held_out = Text(DASH), Text(DASH)
        if loss is not None:
            curve = sparkline(progress.losses, max(8, min(_CURVE_CELLS, width - 34)))
            trained = Text.assemble((f"{loss:.3f}", "bold"), "  ", (curve, "cyan"))
        if progress.held_out is not None:
            each, (step, newest) = progress.start.bytes_per_token, progress.held_out
            at = "" if each == 1.0 else f" a byte, {newest * each:.3f} a token"
            at += f"  at step {step:,}"
            if step and progress.loss_before is not None:
                at += f", {progress.loss_before:.3f} before"
            held_out = Text.assemble((f"{newest:.3f}", "bold"), (at, "dim"))
        table.add_row("training loss", trained)
        table.add_row("held-out loss", held_out)
        table.add_row("speed", DASH if speed is None else f"{speed:,.0f} tokens/s")
        table.add_row("CPU pressure", self._gauge())
        return table

    def _gauge(self) -> Text:
        now = time.monotonic()
        if self._pressure is None or now - self._pressure_at >= _PRESSURE_SECONDS:
            self._pressure, self._pressure_at = read_pressure(), now
        pressure, style = self._pressure, _LEVEL_STYLES[self._pressure.level]
        filled = round(pressure.share * _GAUGE_CELLS)
        return Text.assemble(
            ("━" * filled, style),
            ("━" * (_GAUGE_CELLS - filled), "grey30"),
            (f" {pressure.level}", style),
            (f"  {pressure.describe()}", "dim"),
        )

    def _sample(self, options: ConsoleOptions) -> Iterator[Text]:
        progress, sample = self.progress, self.progress.sample
        height = max(2, min(_SAMPLE_LINES, options.size.height - _OTHER_LINES))  # fixed, so that nothing jumps
        if sample is None:
            heading, body = Text(f"the first sample comes at step {progress.next_sample_step:,}", style="dim"), Text()
        else:
            heading = Text(
                f"sample at step {sample.step:,} · {sample.tokens_per_second:,.0f} tokens/s · "
                f"first token {1000 * sample.first_token_seconds:.0f} ms",
                style="dim",
            )
            written = visible_text(sample.text)
            body = Text.assemble(
                (visible_text(sample.prompt), "bold"), written if sample.prompt else written.lstrip("\n")
            )
            body.expand_tabs(4)
        yield heading
        yield _fitted(body, options.max_width - 6, height)

    def _footer(self, width: int) -> Text:
        progress = self.progress
        if progress.stopped is None and self.stop is not None and self.stop.requested:
            return Text("stopping after this step, then saving · Ctrl-C again abandons", style="yellow")
        saved = f", resumed at step {progress.start.first_step:,}" if progress.start.first_step else ""
        if progress.checkpoint is not None:
            saved = f", saved at step {progress.checkpoint.step:,}"
        hint = "" if progress.stopped is not None else " · Ctrl-C saves and stops"
        path = visible_text(str(progress.start.plan.out))
        room = max(8, width - len(saved) - len(hint) - 10)
        return Text(f"{path if len(path) <= room else '…' + path[1 - room :]}{saved}{hint}", style="dim")


def _fitted(text: Text, width: int, height: int) -> Text:
    """Wrap a text to a width, and cut or fill it to a number of lines."""
    console = Console(width=max(1, width), color_system=None)
    lines = list(text.wrap(console, max(1, width), overflow="fold"))[:height]
    for line in lines:
        line.rstrip()
    return Text("\n").join([*lines, *(Text() for _ in range(height - len(lines)))])


def parameters_text(start: StartRecord) -> str:
    """Write the number of a model's parameters, and how many of them training changes, if the model was trained."""
    text = f"{start.n_parameters:,} parameters"
    if start.n_trained is not None:
        part = f"an adapter of {start.n_trained:,}" if start.train.lora else f"{start.n_trained:,}"
        return f"{text}, {part} trained"
    return text if start.plan.start_from is None else f"{text}, all trained"


def sparkline(values: list[float], width: int) -> str:
    """Draw a curve in block characters, oldest value first; each cell is the mean of its share of the values."""
    if not values:
        return ""
    cells = min(width, len(values))
    edges = [len(values) * i // cells for i in range(cells + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low = min(means)
    span = max(means) - low or 1.0
    # Divided first: the reciprocal of a tiny span would overflow.
    return "".join(_BLOCKS[round((mean - low) / span * (len(_BLOCKS) - 1))] for mean in means)
