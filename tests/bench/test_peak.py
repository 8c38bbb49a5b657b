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
from bench.peak import children, peak_memory_bytes
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
