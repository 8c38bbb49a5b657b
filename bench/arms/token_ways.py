"""Ways to multiply one row by all matrices of a model, which is what a token costs: a table.

    token[float32]           NumPy, on the folded weights of ``tinygpt/generation/inference/folding.py``
    token[int8,compiled]     the compiled loop, which decodes each code where it is used
    token[int8,tiles]        codes decoded into a tile in the core's own cache, then multiplied by BLAS
    token[int8,numkong]      products of the library numkong, which round the row to int8 as well

All run on one thread. ``bench.measuring.token_products`` has the products.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from tinygpt.rounding import BFLOAT16, FLOAT16, FLOAT32, INT8

TOKEN = "token"  # the engine's name in variants, the suite's, and the kind of its rows
COMPILED, TILES, NUMKONG = "compiled", "tiles", "numkong"  # after the precision; NumPy where there is none


@dataclass(frozen=True)
class TokenWay:
    """A way.

    Attributes:
        name: in a variant's brackets, the precision of the weights first.
        label: in tables.
        package: that it needs besides the core's, with the extra that installs it and the version that is measured
            (empty for any).
        tolerance: the largest error of a result, relative to the largest result of its matrix.
    """

    name: str
    label: str
    package: str = ""
    extra: str = ""
    version: str = ""
    tolerance: float = 1e-4

    @property
    def precision(self) -> str:
        """The precision of the weights."""
        return self.name.partition(",")[0]

    @property
    def product(self) -> str:
        """The products: of NumPy where it is empty."""
        return self.name.partition(",")[2]

    @property
    def variant(self) -> str:
        """Its name in suites and rows."""
        return f"{TOKEN}[{self.name}]"

    @property
    def resolved(self) -> str:
        """The variant with the version that is measured, where one is named."""
        version = f",version={self.version}" if self.version else ""
        return f"{TOKEN}[{self.name}{version}]"


def _compiled(precision: str) -> TokenWay:
    return TokenWay(f"{precision},{COMPILED}", f"{precision}, our compiled loop", "numba", "fast")


def _numkong(precision: str, label: str, tolerance: float) -> TokenWay:
    return TokenWay(f"{precision},{NUMKONG}", label, "numkong", "peers", "7.8.6", tolerance)


TOKEN_WAYS = MappingProxyType(
    {
        way.name: way
        for way in (
            TokenWay(FLOAT32, "float32, NumPy"),
            _compiled(FLOAT32),
            _compiled(BFLOAT16),
            _compiled(FLOAT16),
            _compiled(INT8),
            TokenWay(f"{INT8},{TILES}", "int8, decoded in tiles for BLAS"),
            _numkong(FLOAT16, "float16, numkong", 1e-2),
            _numkong(INT8, "int8, numkong: rounds the row too", 5e-2),
        )
    }
)
TOKEN_VARIANTS = MappingProxyType({way.variant: way for way in TOKEN_WAYS.values()})
TOKEN_BASELINE = TOKEN_WAYS[f"{FLOAT32},{COMPILED}"].variant  # the others' times are compared with its times
