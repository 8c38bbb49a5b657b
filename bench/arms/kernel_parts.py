"""Names of the parts of a step, and of the kinds of kernels on a GPU, in a module that imports no engine."""

from __future__ import annotations

import re
from types import MappingProxyType

KERNELS_VARIANT = "kernels"  # the variant's name in suites

DISPATCH = "dispatch"
# Parts of a step, in the order of tables and figures; the last is the step's time minus all the others.
PARTS = (
    "product",
    "attention product",
    "attention",
    "normalisation",
    "activation",
    "loss",
    "embedding",
    "optimiser",
    DISPATCH,
)

# Forms of a fused kernel with their names in prose, NumPy's first, and the places of its operands when it is timed.
FORMS = MappingProxyType({"numpy": "NumPy", "exp": "NumPy exp", "numexpr": "NumExpr", "numba": "Numba"})
PLACES = ("cache", "memory")

# Kinds of kernels on a GPU: kind → pattern of names by cuBLAS, cuDNN, CUTLASS, PyTorch, Triton and XLA. The first that
# matches counts; scores that are stored count as products and reductions. The last kind is all the rest.
REST = "element-wise"
_KERNEL_KINDS = MappingProxyType(
    {
        "attention": re.compile(r"fmha|flash|sdpa|compute_dot_do_o"),
        "products": re.compile(r"gemm|cutlass|nvjet|cublas|_dot_|xmma"),
        "copies": re.compile(r"(?i)memcpy|memset|copy_kernel|batchedcopy|slice|concatenate|transpose"),
        "reductions": re.compile(r"(?i)reduce|norm|softmax|triton_(red|per)_|gammabeta"),
    }
)
# A square product of this size, timed beside the steps: the card's peak, which a step's rate is compared with.
PEAK_SIZE = 8192
PEAK = f"product of {PEAK_SIZE}"

GAPS = "gaps"
DEVICE_PARTS = ("products", "attention", "reductions", REST, "copies", GAPS)


def kind_of_kernel(name: str) -> str:
    """Return the kind of a GPU's kernel by its name."""
    return next((kind for kind, pattern in _KERNEL_KINDS.items() if pattern.search(name)), REST)
