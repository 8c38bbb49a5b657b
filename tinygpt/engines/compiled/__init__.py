"""Engine ``compiled``: the arena, mailbox and layout of ``vectorized``, with every loop compiled by Numba.

    tiles.py         register tiles, in the compiler's own language
    blas.py          sgemm as compiled code calls it
    products.py      matrix products, and the three of a linear layer
    attention.py     causal attention in blocks
    workspace.py     the arrays of some rows of a batch
    passes.py        forward and backward, one function each
    phases.py        a worker's part of each phase
    job.py           the compiled function that does it
    waiting.py       counters that threads wait for in compiled code
    team.py          threads that wait in compiled code
    engine.py        the engine

The loops are those of ``tinygpt.engines.loops``. Numba is imported with these modules, and so only when the engine is
made (``memory.py`` counts without it).
"""
