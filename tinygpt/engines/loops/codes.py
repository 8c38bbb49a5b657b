"""Numbers in one or two bytes, decoded where they are used (``tinygpt/rounding.py``).

int8      a whole number
uint16    the bits of a bfloat16: the upper half of a float32
int16     the bits of a float16, which Numba has no arithmetic for
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from tinygpt.engines.loops.compiling import intrinsic

_REAL = ir.FloatType()


def _from_bfloat16(builder: Any, bits: Any) -> Any:
    word = ir.IntType(32)
    return builder.bitcast(builder.shl(builder.zext(bits, word), word(16)), _REAL)


_DECODE: dict[Any, Any] = {
    types.float32: lambda _builder, value: value,
    types.int8: lambda builder, value: builder.sitofp(value, _REAL),
    types.uint16: _from_bfloat16,
    types.int16: lambda builder, value: builder.fpext(builder.bitcast(value, ir.HalfType()), _REAL),
}


@intrinsic
def number(_context: Any, stored: Any) -> Any:
    """Return a stored number in float32; one that is float32 already stays."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _DECODE[stored](builder, arguments[0])

    return types.float32(stored), generate


@intrinsic
def ask_for(_context: Any, _place: Any) -> Any:
    """Let the cache line of an address arrive while others are used; an address beyond an array does no harm."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer, word = ir.PointerType(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # To read, into every cache, and it is data.
        builder.call(function, [builder.inttoptr(arguments[0], pointer), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(types.int64), generate
