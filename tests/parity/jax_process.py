"""One of several processes that train a tiny model: ``python -m tests.parity.jax_process PORT I/N SEED STEPS OUT``."""

import json
import sys
from pathlib import Path

from tinygpt.corpora import Corpus
from tinygpt.engines.jax.hosts import gather_configurations, job, parse_meeting
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.same_plan import require_same_plan
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord

SENTENCES = "The fox saw a hen. The hen saw the fox. Off she went, over the wall and home again.\n"
CORPUS = Corpus("fables", (SENTENCES * 40).encode(), (SENTENCES[::-1] * 10).encode(), "public domain", "written here")


def plan(out: Path, seed: int, steps: int, engine: str = "jax[device=cpu]") -> TrainingPlan:
    return TrainingPlan(
        out,
        preset="tiny",
        corpus="fables",
        engine=engine,
        steps=steps,
        seed=seed,
        eval_every=10**6,
        sample_every=10**6,
        checkpoint_every=5,
        sampling=SamplingSettings(1),
    )


def main() -> None:
    port, process, seed, steps, out = sys.argv[1:]
    own = plan(Path(out), int(seed), int(steps))
    with job(parse_meeting(f"127.0.0.1:{port}", process), own.engine, out) as index:
        require_same_plan(own, CORPUS, False, gather_configurations)
        events = list(run_session(own, CORPUS, writes=index == 0))
    if index == 0:
        json.dump([event.loss for event in events if isinstance(event, StepRecord)], sys.stdout)


if __name__ == "__main__":
    main()
