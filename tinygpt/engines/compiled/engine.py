"""Engine ``compiled``: engine ``vectorized`` with its passes, sums and updates compiled by Numba.

Batches are cut into shards as there. But a worker's whole part of a phase is one call that holds no lock, so the
workers are threads, on every system. (The same loops as kernels between NumPy's calls: ``vectorized[kernels=numba]``.)
"""

from __future__ import annotations

from typing import Any, ClassVar

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.compiled.phases import CompiledPhases
from tinygpt.engines.compiled.team import CompiledTeam
from tinygpt.engines.vectorized.arena import Allocate
from tinygpt.engines.vectorized.engine import VectorizedEngine
from tinygpt.engines.vectorized.layout import Layout
from tinygpt.engines.vectorized.team import Team
from tinygpt.errors import ConfigError

WHOLE = "whole"


class CompiledEngine(VectorizedEngine):
    """GPT-2 in compiled passes that call BLAS themselves, on threads that share no lock.

    Args:
        threads: cores to use; by default all that this process may use.
        kernels: ``whole``, because passes are compiled as a whole.
        team: ``threads`` or ``processes``.

    Raises:
        ConfigError: an option is out of range.
    """

    name: ClassVar[str] = "compiled"
    _phases: CompiledPhases

    def __init__(
        self,
        model: ModelConfig,
        train: TrainConfig,
        threads: int | None = None,
        kernels: str = WHOLE,
        team: str | None = None,
    ) -> None:
        super().__init__(model, train, threads, kernels, team)

    def options(self) -> dict[str, Any]:
        return {"threads": self.threads, "kernels": WHOLE, "team": self.team}

    def _default_team(self) -> str:
        return "threads"

    def _choose_kernels(self, kernels: str) -> None:
        if kernels != WHOLE:
            problem = f"kernels is {kernels!r}, and engine 'compiled' has none between its loops"
            raise ConfigError(problem, WHOLE, f"the same with --engine 'vectorized[kernels={kernels}]'")

    def _new_layout(self) -> Layout:
        return Layout.of(self.config, self.train, self.threads, folds=False, takes_turns=self.team == "threads")

    def _new_phases(self, allocate: Allocate) -> CompiledPhases:
        return CompiledPhases(self.config, self.train, self._layout, self._mailbox, allocate)

    def _new_team(self) -> Team:
        if self.team == "threads":
            return CompiledTeam(self._phases, self._layout.workers, self._layout.blas_threads)
        return super()._new_team()
