"""Engine ``compiled``: the arena, mailbox and layout of ``vectorized``, with every loop compiled by Numba.

    blas.py          sgemm as compiled code calls it, and the three products of a linear layer
    compiling.py     decorators, and the cache of compiled code on disk
    exponential.py   e^x as a polynomial
    loops.py         what is between the products, forward and backward side by side
    attention.py     causal attention in blocks
    workspace.py     the arrays of some rows of a batch
    passes.py        forward and backward, one function each
    update.py        the sum of the gradients, and AdamW
    phases.py        a worker's part of each phase
    team.py          threads that wait in compiled code
    engine.py        the engine

Numba is imported with these modules, and so only when the engine is made (``memory.py`` counts without it).
"""
