"""Engine ``compiled``: engine ``vectorized`` with its passes, sums and updates compiled by Numba.

Batches are cut into shards as there. But a worker's whole part of a phase is one call that holds no lock, so the
workers are threads, on every system.
"""

from __future__ import annotations

from typing import Any, ClassVar

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.compiled.phases import CompiledPhases
from tinygpt.engines.compiled.team import CompiledTeam
from tinygpt.engines.vectorized.arena import Allocate
from tinygpt.engines.vectorized.engine import VectorizedEngine
from tinygpt.engines.vectorized.phases import Phases
from tinygpt.engines.vectorized.team import Team

WHOLE = "whole"


class CompiledEngine(VectorizedEngine):
    """GPT-2 in compiled passes that call BLAS themselves, on threads that share no lock.

    Args:
        threads: cores to use; by default all that this process may use.
        kernels: ``whole`` for passes that are compiled as a whole. Anything else is as for engine ``vectorized``.
        team: ``threads`` or ``processes``.

    Raises:
        ConfigError: an option is out of range.
    """

    name: ClassVar[str] = "compiled"

    def __init__(
        self,
        model: ModelConfig,
        train: TrainConfig,
        threads: int | None = None,
        kernels: str = WHOLE,
        team: str | None = None,
    ) -> None:
        self._is_whole = kernels == WHOLE
        super().__init__(model, train, threads, kernels, team)

    def options(self) -> dict[str, Any]:
        kernels = WHOLE if self._is_whole else self.kernels.spec
        return {"threads": self.threads, "kernels": kernels, "team": self.team}

    def _default_team(self) -> str:
        return "threads" if self._is_whole else super()._default_team()

    def _choose_kernels(self, kernels: str) -> None:
        if not self._is_whole:
            super()._choose_kernels(kernels)

    def _folds(self) -> bool:
        return not self._is_whole

    def _new_phases(self, allocate: Allocate) -> Phases[Any]:
        if not self._is_whole:
            return super()._new_phases(allocate)
        return CompiledPhases(self.config, self.train, self._layout, self._mailbox, allocate)

    def _new_team(self) -> Team:
        if isinstance(self._phases, CompiledPhases) and self.team == "threads":
            return CompiledTeam(self._phases, self._layout.workers, self._layout.blas_threads)
        return super()._new_team()
