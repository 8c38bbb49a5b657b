"""Peers: other frameworks behind the engine interface, for comparison only.

``bench.arms.registry`` lists them. A framework is imported only in the worker that measures it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# (prompt ids, number of tokens) → ids
Generator = Callable[[np.ndarray, int], np.ndarray]
