"""Names in the measurements of ``invoke bench --kernels``, in a module that does not import the engine."""

from __future__ import annotations

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

# Forms of a fused kernel, and the places of its operands when it is timed.
FORMS = ("numpy", "numexpr")
PLACES = ("cache", "memory")
