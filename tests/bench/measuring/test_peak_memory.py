"""The peak of a process and of those that work for it, told apart from what they share."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# A process of 60 MB forks a helper that holds 40 MB more, shares the 60, and has let 30 MB go.
PROGRAM = """
import json, mmap, os, sys, time
import numpy as np
from bench.measuring.peak_memory import children, peak_memory_bytes
shared = np.frombuffer(mmap.mmap(-1, 60_000_000), np.uint8)
shared[:] = 1
gone = np.ones(30_000_000, np.uint8)
del gone
ready, told = os.pipe()
helper = os.fork()
if helper == 0:
    own = np.ones(40_000_000, np.uint8)
    shared.sum()
    os.write(told, b"x")
    time.sleep(60)
os.read(ready, 1)
alone, together = peak_memory_bytes(), peak_memory_bytes(children())
os.kill(helper, 9)
os.waitpid(helper, 0)
print(json.dumps([alone, together, peak_memory_bytes([helper])]))
"""


def test_a_helpers_own_pages_count_and_shared_ones_count_once():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    alone, together, afterwards = json.loads(done.stdout)
    assert alone > 90e6  # the peak, although 30 MB were returned
    assert 38e6 < together - alone < 50e6
    assert afterwards == pytest.approx(alone, rel=0.01)  # a helper that is gone counts nothing


# Two helpers share 50 MB that this process maps and never touches, and each of them holds 20 MB of its own.
BETWEEN_HELPERS = """
import json, mmap, os, time
import numpy as np
from bench.measuring.peak_memory import children, peak_memory_bytes
shared = np.frombuffer(mmap.mmap(-1, 50_000_000), np.uint8)
ready, told = os.pipe()
helpers = []
for _ in range(2):
    helpers.append(os.fork())
    if helpers[-1] == 0:
        shared[:] = 1
        own = np.ones(20_000_000, np.uint8)
        os.write(told, b"x")
        time.sleep(60)
    os.read(ready, 1)
print(json.dumps([peak_memory_bytes(), peak_memory_bytes(children())]))
for helper in helpers:
    os.kill(helper, 9)
"""


def test_what_helpers_share_between_themselves_counts_once():
    done = subprocess.run([sys.executable, "-c", BETWEEN_HELPERS], capture_output=True, text=True, check=True)
    alone, together = json.loads(done.stdout)
    assert 88e6 < together - alone < 100e6


# Four processes whatever the cores; all memory that they hold by an account that divides shared pages.
FOUR_WORKERS = """
import json, os
import numpy as np, psutil
from bench.measuring.peak_memory import peak_memory_bytes
from bench.arms.variants import make_engine
from tinygpt.presets import PRESETS
entry = PRESETS["small"]
engine = make_engine("vectorized[threads=4,team=processes]", entry.model, entry.train, 0)
tokens = np.random.default_rng(0).integers(0, 256, (entry.train.batch_size, entry.model.context_length))
for _ in range(2):
    engine.train_step(tokens, tokens)
processes = [os.getpid(), *engine.process_ids()]
shares = [psutil.Process(process).memory_full_info() for process in processes]
told = peak_memory_bytes(engine.process_ids())
print(json.dumps([told, len(processes), sum(share.pss for share in shares), sum(share.uss for share in shares)]))
os._exit(0)
"""


def test_a_team_of_four_counts_all_that_it_holds():
    done = subprocess.run([sys.executable, "-c", FOUR_WORKERS], capture_output=True, text=True, check=True)
    told, n_processes, shares, unique = json.loads(done.stdout)
    assert n_processes == 4
    assert unique < shares <= told < shares + 30e6  # above it: the peak, and libraries that other processes map too
