"""Kinds of processors: each has another cost of products and of vector instructions, so each is worth measuring."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_AVX512 = "x86-64-v4"


@dataclass(frozen=True)
class ProcessorKind:
    """A kind of processors.

    Attributes:
        name: in tables.
        examples: products of that kind.
        cpu: pattern of the processor's name in a fingerprint.
        level: pattern of its instruction set.
    """

    name: str
    examples: str
    cpu: str
    level: str = ""

    def has(self, machine: Mapping[str, Any]) -> bool:
        """Return whether the processor of a fingerprint is of this kind."""
        cpu, level = str(machine.get("cpu", "")), str(machine.get("arch_level", ""))
        return bool(re.search(self.cpu, cpu) and re.match(self.level, level))


# The first kind that fits counts. Virtual machines often hide a processor's generation.
PROCESSOR_KINDS = (
    ProcessorKind("AMD Zen 5", "Ryzen 9000, Ryzen AI 300, EPYC 9005", r"Ryzen.*\b(9\d{3}|AI .*3\d\d)|EPYC 9\d\d5",
                  _AVX512),
    ProcessorKind("AMD Zen 4", "Ryzen 7000 and 8000, EPYC 9004", r"Ryzen.*\b[78]\d{3}|EPYC [89]\d\d4", _AVX512),
    ProcessorKind("AMD with AVX-512, generation hidden", "virtual machines on Zen 4 or Zen 5", "AMD", _AVX512),
    ProcessorKind("AMD without AVX-512", "Zen 3 and older", "AMD", "x86-64"),
    ProcessorKind("Intel with AVX-512", "Xeon since Skylake, Core of generation 11", "Intel", _AVX512),
    ProcessorKind("Intel without AVX-512", "Core since generation 12, N series", "Intel", "x86-64"),
    ProcessorKind("Apple", "M1 and later", "Apple"),
    ProcessorKind("ARM", "Graviton, Ampere, Snapdragon X, Raspberry Pi", "", "arm|aarch"),
    ProcessorKind("others", "RISC-V, POWER, LoongArch", ""),
)  # fmt: skip


def processor_kind(machine: Mapping[str, Any]) -> ProcessorKind:
    """The kind of the processor of a machine's fingerprint."""
    return next(kind for kind in PROCESSOR_KINDS if kind.has(machine))
