"""CPU pressure of the machine: Linux's pressure-stall information where it exists, the load average elsewhere.

Pressure is the share of the last ten seconds in which some task was ready to run and had to wait for a CPU
(https://docs.kernel.org/accounting/psi.html). Load is the mean number of tasks that run or wait, per core: a
training run that uses every core makes it 1 by itself.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import psutil

PRESSURE_FILE = Path("/proc/pressure/cpu")

# source: (level, upper limit), in rising order
_LEVELS = {
    "pressure": (("calm", 10.0), ("busy", 40.0)),  # per cent of the time
    "load": (("calm", 1.1), ("busy", 1.75)),  # tasks per core
}
_HIGHEST = "strained"


@dataclass(frozen=True)
class CpuPressure:
    """A reading.

    Attributes:
        value: per cent of the last ten seconds (``pressure``) or tasks per core over the last minute (``load``).
        source: ``pressure`` or ``load``.
    """

    value: float
    source: str

    @property
    def level(self) -> str:
        """``calm``, ``busy`` or ``strained``."""
        return next((level for level, limit in _LEVELS[self.source] if self.value < limit), _HIGHEST)

    @property
    def share(self) -> float:
        """The value on a gauge from 0 to 1, whose end lies well inside ``strained``."""
        return min(1.0, self.value / (1.5 * _LEVELS[self.source][-1][1]))

    def describe(self) -> str:
        """The value with its unit."""
        return f"{self.value:.0f} % waiting" if self.source == "pressure" else f"load {self.value:.2f} per core"


def read_pressure(path: Path = PRESSURE_FILE) -> CpuPressure:
    """Read the current CPU pressure."""
    try:
        return CpuPressure(parse_pressure(path.read_text(encoding="ascii")), "pressure")
    except (OSError, ValueError):  # no such file, switched off, or a sandbox with another text there
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return CpuPressure(psutil.getloadavg()[0] / cores, "load")


def parse_pressure(text: str) -> float:
    """Return the ten-second average of the ``some`` line, in per cent.

    Raises:
        ValueError: there is no such number.
    """
    if match := re.search(r"^some (?:.* )?avg10=(\S*)", text, re.MULTILINE):
        return float(match[1])
    raise ValueError("no line 'some' with an avg10")
