"""Loops compiled by Numba, for every engine and generator that is made of them.

    compiling.py     decorators, and the cache of compiled code on disk
    exponential.py   e^x as a polynomial
    layers.py        what is between the products, forward and backward side by side
    update.py        the sum of the gradients, and AdamW
    kernels.py       the loops as a form of the fused kernels of ``vectorized``

Numba is imported with these modules.
"""
