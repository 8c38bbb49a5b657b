"""Names of what ``invoke bench --kernels`` measures, apart from the code that does: that one imports the engine."""

from __future__ import annotations

KERNELS_VARIANT = "kernels"  # what suites call the measurement

DISPATCH = "dispatch"
# Parts of a step in the order in which tables and figures show them; the last is what the others leave of its time.
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

# Forms of a fused kernel, and where its operands lie when it is timed.
FORMS = ("numpy", "numexpr")
PLACES = ("cache", "memory")
