"""Packs in the terminal: the file that was made, and what was added."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.contributing.adding import Addition
from tinygpt.terminal.output import make_console, print_line
from tinygpt.terminal.quantities import counted, listed

_WIDTH = 160


def print_pack(path: Path, console: Console | None = None) -> None:
    """Print where a pack is, and what to do with it."""
    console = console or make_console(_WIDTH)
    print_line(console, f"packed {path} ({path.stat().st_size / 1e3:,.0f} kB)")
    print_line(console, "It holds step times, losses and the machine's fingerprint; no texts, names or paths.")
    print_line(console, 'Attach it to an issue of the kind "Add a machine", or to a pull request (docs/machines.md).')


def print_additions(additions: Sequence[Addition], console: Console | None = None) -> None:
    """Print what each pack holds, and the files that were added."""
    console = console or make_console(_WIDTH)
    for added in additions:
        machine = json.loads(added.machine)
        about = f"{machine['cpu']}, {counted(machine['cores'], 'core')}, {listed(added.presets)}"
        verb = "added" if added.files else "would add"
        print_line(console, f"{verb} {added.run_id}: {counted(added.n_processes, 'process', 'processes')} on {about}")
        if added.is_known is False:
            print_line(console, f"Its commit {added.commit[:9]} is not in this checkout: ask where it comes from.")
        for path in added.files:
            print_line(console, f"added {path}")
    if any(added.files for added in additions):
        print_line(console, "Commit them, and build the site: invoke site. It shows them as contributed.")
