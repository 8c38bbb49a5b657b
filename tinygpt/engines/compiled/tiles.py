"""Register tiles: the innermost part of a matrix product, and the copies that bring its operands into order.

A tile of C has ``ROWS`` rows of up to ``VECTORS`` vectors. It stays in registers while the outer products of a column
of A and a row of B are added to it:

    C (rows, columns) ← start + Σ_k A[:, k] ⊗ B[k, :]

A compiler that is given loops does not find this arrangement, so it is written in the compiler's own language. All
matrices are addresses, and distances in bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils

from tinygpt.engines.loops.compiling import intrinsic

_FEATURES = llvmlite.binding.get_host_cpu_features()
_WIDE = bool(_FEATURES.get("avx512f"))
LANES = 16 if _WIDE else 8 if _FEATURES.get("avx") else 4  # numbers in a vector
ROWS = 6
VECTORS = 2 if LANES == 8 else 4  # with ROWS, what the vector registers hold: 16 of AVX, else 32
WIDTH = LANES * VECTORS  # columns of a tile
BYTES = 4  # of a number

_INT, _REAL, _POINTER = ir.IntType(64), ir.FloatType(), ir.PointerType()
_SHORT = ir.IntType(32)
_VECTOR, _SHORTS = ir.VectorType(_REAL, LANES), ir.VectorType(_SHORT, LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)


def _call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _at(builder: Any, address: Any, *offsets: Any) -> Any:
    """Return a pointer to an address plus offsets in bytes."""
    for offset in offsets:
        address = builder.add(address, _INT(offset) if isinstance(offset, int) else offset)
    return builder.inttoptr(address, _POINTER)


def _chosen(lanes: Sequence[int]) -> Any:
    return ir.Constant(ir.VectorType(_SHORT, len(lanes)), [_SHORT(lane) for lane in lanes])


def _filled(builder: Any, kind: Any, value: Any) -> Any:
    """Return a vector with the same value in all lanes."""
    nothing = ir.Constant(kind, ir.Undefined)
    return builder.shuffle_vector(builder.insert_element(nothing, value, _SHORT(0)), nothing, _chosen([0] * LANES))


def _mask(builder: Any, count: Any) -> Any:
    """Return a mask of the first ``count`` lanes; all or none where it is beyond them."""
    return builder.icmp_signed("<", _chosen(range(LANES)), _filled(builder, _SHORTS, builder.trunc(count, _SHORT)))


def _load(builder: Any, pointer: Any, mask: Any) -> Any:
    zeros = ir.Constant(_VECTOR, [_REAL(0.0)] * LANES)
    return _call(builder, f"llvm.masked.load.v{LANES}f32.p0", _VECTOR, pointer, _SHORT(BYTES), mask, zeros)


def _store(builder: Any, vector: Any, pointer: Any, mask: Any) -> None:
    _call(builder, f"llvm.masked.store.v{LANES}f32.p0", ir.VoidType(), vector, pointer, _SHORT(BYTES), mask)


@intrinsic
def tile(
    _context: Any, rows: Any, columns: Any, depth: Any, a: Any, a_row: Any, a_step: Any, b: Any,
    start: Any, start_row: Any, c: Any, c_row: Any,
) -> Any:  # fmt: skip
    """C (rows, columns) ← start + A (rows, depth) B (depth, columns); ``rows`` is ROWS or 1, ``depth`` at least 1.

    A row of A begins ``a_row`` after the one before, its numbers are ``a_step`` apart; a row of B begins ``WIDTH``
    numbers after the one before and is filled to whole vectors. With a ``start_row`` of 0, all rows start alike.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        rows, columns, *others = arguments
        builder.function.attributes.add("noinline")
        full = builder.icmp_signed("==", rows, _INT(ROWS))
        vectors = builder.sdiv(builder.add(columns, _INT(LANES - 1)), _INT(LANES))
        number = builder.select(full, vectors, builder.add(vectors, _INT(VECTORS)))
        after, impossible = builder.append_basic_block("after"), builder.append_basic_block("impossible")
        cases = builder.switch(number, impossible)
        for index in range(2 * VECTORS):
            case = builder.append_basic_block(f"case{index}")
            cases.add_case(_INT(index + 1), case)
            builder.position_at_end(case)
            _one_shape(builder, ROWS if index < VECTORS else 1, index % VECTORS + 1, columns, *others)
            builder.branch(after)
        builder.position_at_end(impossible)
        builder.unreachable()
        builder.position_at_end(after)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 11), generate


def _one_shape(
    builder: Any, rows: int, vectors: int, columns: Any, depth: Any, a: Any, a_row: Any, a_step: Any, b: Any,
    start: Any, start_row: Any, c: Any, c_row: Any,
) -> None:  # fmt: skip
    """Write the code of a tile with fixed numbers of rows and vectors."""
    places = [(row, vector) for row in range(rows) for vector in range(vectors)]
    masks = [_mask(builder, builder.sub(columns, _INT(LANES * vector))) for vector in range(vectors)]

    def beginning(address: Any, apart: Any) -> list[Any]:
        return [builder.add(address, builder.mul(apart, _INT(row))) for row in range(rows)]

    def vector_at(beginnings: list[Any], row: int, vector: int) -> Any:
        return _at(builder, beginnings[row], BYTES * LANES * vector)

    starts, a_rows, c_rows = beginning(start, start_row), beginning(a, a_row), beginning(c, c_row)
    first = [_load(builder, vector_at(starts, *place), masks[place[1]]) for place in places]
    before, body, after = builder.block, builder.append_basic_block("body"), builder.append_basic_block("end")
    builder.branch(body)

    builder.position_at_end(body)
    variables = [builder.phi(_INT), builder.phi(_INT), builder.phi(_INT), *(builder.phi(_VECTOR) for _ in places)]
    k, a_offset, b_row, *sums = variables
    b_vectors = [
        builder.load(_at(builder, b_row, BYTES * LANES * vector), align=BYTES, typ=_VECTOR) for vector in range(vectors)
    ]
    a_vectors = [
        _filled(builder, _VECTOR, builder.load(_at(builder, address, a_offset), align=BYTES, typ=_REAL))
        for address in a_rows
    ]
    added = [
        _call(builder, f"llvm.fmuladd.v{LANES}f32", _VECTOR, a_vectors[row], b_vectors[vector], total)
        for (row, vector), total in zip(places, sums, strict=True)
    ]
    following = [
        builder.add(k, _INT(1)),
        builder.add(a_offset, a_step),
        builder.add(b_row, _INT(BYTES * WIDTH)),
        *added,
    ]
    for variable, value, new in zip(variables, [_INT(0), _INT(0), b, *first], following, strict=True):
        variable.add_incoming(value, before)
        variable.add_incoming(new, body)
    builder.cbranch(builder.icmp_signed("<", following[0], depth), body, after)

    builder.position_at_end(after)
    for place, total in zip(places, added, strict=True):
        _store(builder, total, vector_at(c_rows, *place), masks[place[1]])


@intrinsic
def move(_context: Any, source: Any, target: Any, count: Any, written: Any) -> Any:
    """Copy ``count`` numbers, and zeros after them until ``written``; of both at most a vector."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source, target, count, written = arguments
        vector = _load(builder, _at(builder, source), _mask(builder, count))
        _store(builder, vector, _at(builder, target), _mask(builder, written))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate


@intrinsic
def transpose(
    _context: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_row: Any
) -> Any:
    """Write a square of LANES rows and columns transposed, with zeros for the rows and columns that do not exist."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source, source_row, rows, columns, target, apart = arguments
        vectors = []
        for row in range(LANES):
            count = builder.select(builder.icmp_signed("<", _INT(row), rows), columns, _INT(0))
            pointer = _at(builder, source, builder.mul(source_row, _INT(row)))
            vectors.append(_load(builder, pointer, _mask(builder, count)))
        distance = LANES // 2
        while distance:  # exchange the squares off the diagonal, of half the size each time
            low = [lane if not lane & distance else LANES + (lane ^ distance) for lane in range(LANES)]
            high = [lane | distance if not lane & distance else LANES + lane for lane in range(LANES)]
            for row in range(LANES):
                if not row & distance:
                    pair = vectors[row], vectors[row | distance]
                    vectors[row] = builder.shuffle_vector(*pair, _chosen(low))
                    vectors[row | distance] = builder.shuffle_vector(*pair, _chosen(high))
            distance //= 2
        for row, vector in enumerate(vectors):
            builder.store(vector, _at(builder, target, builder.mul(apart, _INT(row))), align=BYTES)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate
