"""Other frameworks behind the engine interface, to be measured against and for nothing else.

``bench.arms.registry`` is the table of them; a framework is imported in the worker that measures it and nowhere sooner.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# (prompt ids, how many tokens) → ids
Generator = Callable[[np.ndarray, int], np.ndarray]
