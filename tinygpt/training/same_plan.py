"""Several processes that train one model: all of them are about to do the same, or none starts."""

from __future__ import annotations

import json
from dataclasses import asdict

from tinygpt import __version__
from tinygpt.corpora import Corpus
from tinygpt.engines.jax.hosts import require_agreement
from tinygpt.training.plan import TrainingPlan


def require_same_plan(plan: TrainingPlan, corpus: Corpus, resume: bool) -> None:
    """Refuse to train unless every process is about to do the same.

    The folder may be called differently on different hosts: only process 0 writes to it, and a resumed run reads it.

    Raises:
        ConfigError: in every process, naming each field that differs and who has what.
    """
    fields = {name: value for name, value in asdict(plan).items() if name != "out"}
    require_agreement(
        json.loads(json.dumps(fields, default=str))
        | {
            "corpus_sha256": corpus.sha256,
            "resume": resume,
            "tinygpt": __version__,
        }
    )
