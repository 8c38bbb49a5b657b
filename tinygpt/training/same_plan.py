"""The check that several processes that train one model have the same plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tinygpt import __version__
from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError
from tinygpt.training.plan import TrainingPlan

Configuration = dict[str, Any]  # name → JSON value


def require_same_plan(
    plan: TrainingPlan, corpus: Corpus, resume: bool, gather: Callable[[Configuration], list[Configuration]]
) -> None:
    """Refuse to train unless every process has the same plan, corpus and version.

    The folder may have another name on each host: only process 0 writes to it, and a resumed run reads it.

    Args:
        plan: this process's plan.
        corpus: its corpus.
        resume: it continues a run.
        gather: returns every process's configuration, in the processes' order.

    Raises:
        ConfigError: in every process, with each field that differs and its values.
    """
    fields = {name: value for name, value in asdict(plan).items() if name != "out"}
    same = {"corpus_sha256": corpus.sha256, "resume": resume, "tinygpt": __version__}
    problems = disagreements(gather(json.loads(json.dumps(fields, default=str)) | same))
    if problems:
        raise ConfigError(
            f"the processes disagree: {'; '.join(problems)}", "one configuration", "the same command on every host"
        )


def disagreements(configurations: list[Configuration]) -> list[str]:
    """Describe the fields that differ from process 0's."""
    first = configurations[0]
    return [
        f"{name} is {other.get(name)!r} in process {index}, {first.get(name)!r} in process 0"
        for index, other in enumerate(configurations[1:], 1)
        for name in sorted({*first, *other})
        if other.get(name) != first.get(name)
    ]
