"""The task demo: train, measure and build the site, small, in one go."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench.terminal.commands import BenchOptions, measure
from bench.terminal.train_command import TrainOptions, run_plan
from tinygpt.terminal.checkout import checkout
from tinygpt.terminal.options import option
from tinygpt.terminal.tasks import task
from tinygpt.training.plan import TrainingPlan

_INTERRUPTED = 130  # exit code of a run stopped by Ctrl-C


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Options of demo."""

    corpus: str = option("shakespeare", "to train and measure on; stories and python need no network")


@task(needs="site")
def demo(options: DemoOptions) -> int:
    """Train, measure and build the site in under four minutes; prints the page to open."""
    from sitegen.build.site import build_site
    from sitegen.text.addresses import find_addresses

    root, start = checkout(), time.perf_counter()

    def heading(number: int, text: str) -> None:
        print(f"\n[{number}/3] {text} ({time.perf_counter() - start:.0f} s so far)\n", flush=True)

    out = Path("runs") / time.strftime("demo-%Y%m%d-%H%M%S")
    heading(1, f"training preset small on {options.corpus}")
    plan = TrainingPlan(out=out, preset="small", corpus=options.corpus, steps=1000)
    if code := run_plan(plan, TrainOptions(record=True)):
        return code
    heading(2, "measuring the engines, one fresh process per cell")
    if (code := measure(BenchOptions(corpus=options.corpus))) == _INTERRUPTED:
        return code
    heading(3, "building the site")
    built = build_site(root, root / "results", Path("_site"), find_addresses(root))
    print(
        f"done in {(time.perf_counter() - start) / 60:.1f} minutes\n"
        f"  the page to open:    {(built.output / 'speedup' / 'index.html').as_uri()}\n"
        f"  with live charts:    invoke serve, then http://127.0.0.1:8000/speedup/\n"
        f"  text from the model: invoke sample --checkpoint {out} --prompt 'ROMEO:'"
    )
    return code
