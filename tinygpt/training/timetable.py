"""The clock of a run that has a time instead of a number of steps.

done    = elapsed / (seconds − reserve)         the reserve is for the last evaluation, sample and checkpoint
rate    = the schedule at ``done``              so it reaches its end when the time is over, at any speed
steps   ≈ steps so far / done                   planned again at every tenth of the time
"""

from __future__ import annotations

from collections.abc import Callable

TENTHS = 10
_FIRST_RESERVE = 0.04  # share of the time that is reserved until the costs at the end have been measured
_MOST_RESERVED = 0.3


class Timetable:
    """The time of a run.

    Args:
        seconds: for the whole run, over all its parts.
        elapsed: returns the seconds spent so far.
    """

    def __init__(self, seconds: float, elapsed: Callable[[], float]) -> None:
        self.seconds, self.elapsed = seconds, elapsed
        self.reserve = _FIRST_RESERVE * seconds
        self._tenths = int(TENTHS * self.done)

    def __repr__(self) -> str:
        return f"<{self.elapsed():.1f} of {self.seconds:.1f} s, {self.reserve:.1f} s of them for the end>"

    def keep_for_the_end(self, seconds: float) -> None:
        """Set the reserve, up to three tenths of the time."""
        self.reserve = min(seconds, _MOST_RESERVED * self.seconds)

    @property
    def done(self) -> float:
        """Share of the training time that has passed, 0 to 1."""
        return min(1.0, self.elapsed() / (self.seconds - self.reserve))

    def is_over(self, step_seconds: float) -> bool:
        """Return whether no further step of this length fits."""
        return self.elapsed() + step_seconds > self.seconds - self.reserve

    def next_tenth(self) -> bool:
        """Return whether a tenth of the time has ended since the last call."""
        before, self._tenths = self._tenths, max(self._tenths, int(TENTHS * self.done))
        return self._tenths > before

    def planned_steps(self, step: int) -> int:
        """Return the number of steps that fit into the time, at the speed so far."""
        return max(step, round(step / max(self.done, 1e-9)))
