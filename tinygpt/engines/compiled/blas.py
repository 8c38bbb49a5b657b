"""Single-precision matrix products for compiled code, straight from the BLAS that NumPy has loaded.

A call from compiled code costs a fraction of NumPy's, takes no lock, and can add to its result (``beta`` 1). The
C interface passes its numbers by value; where NumPy's BLAS does not have it, SciPy exports the Fortran one, which
reads every argument from memory and knows only column-major matrices: there C = A B is computed as Cᵀ = Bᵀ Aᵀ.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address
from threadpoolctl import threadpool_info

from tinygpt.engines.loops.compiling import intrinsic

_SYMBOL = "tinygpt_sgemm"
# The C interface's names, with the bits of its integers: those of NumPy's wheel first.
_NAMES = (("scipy_cblas_sgemm64_", 64), ("cblas_sgemm64_", 64), ("scipy_cblas_sgemm", 32), ("cblas_sgemm", 32))


@dataclass(frozen=True)
class Product:
    """An ``sgemm`` in memory.

    Attributes:
        name: its name in the library.
        address: where it is in this process.
        bits: of its integers.
        by_value: it has the C interface, else the Fortran one.
    """

    name: str
    address: int
    bits: int
    by_value: bool


@cache
def find_sgemm() -> Product:
    """Return NumPy's ``sgemm`` if its library exports one, else SciPy's, under a name that compiled code can link."""
    product = _in_loaded_libraries() or Product(
        "cython_blas", get_cython_function_address("scipy.linalg.cython_blas", "sgemm"), 32, by_value=False
    )
    llvmlite.binding.add_symbol(_SYMBOL, product.address)
    return product


def _in_loaded_libraries() -> Product | None:
    paths = [library["filepath"] for library in threadpool_info() if library["user_api"] == "blas"]
    for name, bits in _NAMES:
        for path in paths:
            function = getattr(ctypes.CDLL(path), name, None)
            address = ctypes.cast(function, ctypes.c_void_p).value if function is not None else None
            if address:
                return Product(name, address, bits, by_value=True)
    return None


@intrinsic
def sgemm(
    _context: Any, turn_a: Any, turn_b: Any, m: Any, n: Any, k: Any,
    a: Any, lda: Any, b: Any, ldb: Any, beta: Any, c: Any, ldc: Any,
) -> Any:  # fmt: skip
    """C (m, n) ← op(A) op(B) + beta C, row-major; op is a transposition where ``turn`` is 1.

    a, b and c are addresses; lda, ldb and ldc the distances between rows, in numbers.
    """
    whole, real = types.int64, types.float32
    signature = types.void(whole, whole, whole, whole, whole, whole, whole, whole, whole, real, whole, whole)
    return signature, _by_value if find_sgemm().by_value else _by_reference


def _by_value(_context: Any, builder: Any, _signature: Any, arguments: Any) -> None:
    turn_a, turn_b, m, n, k, a, lda, b, ldb, beta, c, ldc = arguments
    enum, real, pointer = ir.IntType(32), ir.FloatType(), ir.FloatType().as_pointer()
    size = ir.IntType(find_sgemm().bits)

    def whole(value: Any) -> Any:
        return value if size.width == 64 else builder.trunc(value, size)

    def turned(flag: Any) -> Any:  # CblasNoTrans is 111, CblasTrans 112
        return builder.add(builder.trunc(flag, enum), enum(111))

    kinds = [enum, enum, enum, size, size, size, real, pointer, size, pointer, size, real, pointer, size]
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), kinds), _SYMBOL)
    builder.call(
        function,
        [
            enum(101), turned(turn_a), turned(turn_b), whole(m), whole(n), whole(k), real(1.0),
            builder.inttoptr(a, pointer), whole(lda), builder.inttoptr(b, pointer), whole(ldb), beta,
            builder.inttoptr(c, pointer), whole(ldc),
        ],
    )  # fmt: skip


def _by_reference(_context: Any, builder: Any, _signature: Any, arguments: Any) -> None:
    turn_a, turn_b, m, n, k, a, lda, b, ldb, beta, c, ldc = arguments
    letter, size, real = ir.IntType(8), ir.IntType(32), ir.FloatType()
    pointer = real.as_pointer()

    def stored(value: Any) -> Any:
        return cgutils.alloca_once_value(builder, value)

    def whole(value: Any) -> Any:
        return stored(builder.trunc(value, size))

    def turned(flag: Any) -> Any:
        is_turned = builder.icmp_signed("!=", flag, flag.type(0))
        return stored(builder.select(is_turned, letter(ord("T")), letter(ord("N"))))

    def at(address: Any) -> Any:
        return builder.inttoptr(address, pointer)

    values = [
        turned(turn_b), turned(turn_a), whole(n), whole(m), whole(k), stored(real(1.0)),
        at(b), whole(ldb), at(a), whole(lda), stored(beta), at(c), whole(ldc),
    ]  # fmt: skip
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, _SYMBOL), values)
