"""The check that several processes that train one model have the same plan."""

from __future__ import annotations

import json
from dataclasses import asdict

from tinygpt import __version__
from tinygpt.corpora import Corpus
from tinygpt.engines.jax.hosts import require_agreement
from tinygpt.training.plan import TrainingPlan


def require_same_plan(plan: TrainingPlan, corpus: Corpus, resume: bool) -> None:
    """Refuse to train unless every process has the same plan, corpus and version.

    The folder may have another name on each host: only process 0 writes to it, and a resumed run reads it.

    Raises:
        ConfigError: in every process, with each field that differs and its values.
    """
    fields = {name: value for name, value in asdict(plan).items() if name != "out"}
    same = {"corpus_sha256": corpus.sha256, "resume": resume, "tinygpt": __version__}
    require_agreement(json.loads(json.dumps(fields, default=str)) | same)
