"""The table of all that is measured besides this project's engines: peers, generators, the roofline.

A framework is imported only in the worker that measures it. The extra ``peers`` installs the versions in the table.
Nothing in ``tinygpt`` knows these peers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tinygpt.rounding import ROUNDINGS

OURS = "vectorized"  # the engine that needs no extra
REFERENCE = "numpy"  # all other engines' losses are compared with its losses, so it runs at every preset
FLOAT32, TF32, BFLOAT16 = "float32", "tf32", "bfloat16"
PEER_PRECISIONS = (FLOAT32, TF32, BFLOAT16)  # of peers on an accelerator; engine ``jax`` has them too
JAX_ON_CPU = "jax[device=cpu]"  # plain ``jax`` requires an accelerator
COMPILED = "compiled"
FAST = (OURS, COMPILED)  # this project's engines on a processor; the fastest is quoted and compared with peers

ROOFLINE = "roofline"
WHOLE, SHARED, MKL, COLD = "whole", "shared", "mkl", "cold"  # bench.measuring.roofline
ROOFLINE_VARIANTS = tuple(
    f"{ROOFLINE}[{options}]" for options in (WHOLE, SHARED, f"{SHARED},{COLD}", f"{WHOLE},{MKL}", f"{SHARED},{MKL}")
)


@dataclass(frozen=True)
class Peer:
    """A framework, or one way to run it, under a name for ``--engines``.

    Attributes:
        label: in legends and tooltips.
        version: the measured version; another one is refused, so that a row's commit determines it.
        trainer: ``module:Class`` of its engine; None if it only generates.
        generator: ``module:function`` that makes its generator; None if it only trains.
        overridden: its worker preloads the MKL override (:mod:`bench.measuring.peer_preparation`).
        compiles: it needs a C++ compiler at run time.
        threads: its number of threads; None for all that the process may use.
        is_standard: it is measured in suite ``standard`` too, and not only beside all other peers.
        column: the tables of peers have a column "over …" with its time over ours; empty for none.
        on_accelerator: it runs on a GPU, in any version.
        environment: variables of its worker. A peer that has any is set up as well as we know, so that it has the
            override only where MKL needs it, and is not refused elsewhere.
    """

    name: str
    label: str
    package: str
    version: str
    trainer: str | None = None
    generator: str | None = None
    overridden: bool = False
    compiles: bool = False
    threads: int | None = None
    is_standard: bool = False
    column: str = ""
    on_accelerator: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


_TORCH, _GENERATE = "bench.peers.torch_engine:", "bench.peers.torch_generate:"
_EAGER, _COMPILED, _ONE_THREAD = (f"{_TORCH}Torch{name}Engine" for name in ("", "Compile", "OneThread"))
_EAGER_TEXT, _COMPILED_TEXT, _ONE_THREAD_TEXT = (
    f"{_GENERATE}make_{name}generator" for name in ("", "compiled_", "one_thread_")
)
_CUDA = "bench.peers.torch_cuda:TorchCuda"

# glibc's allocator asks the system for memory once, in huge pages, and keeps it: no page faults after the first steps.
_ALLOCATOR = {
    "GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.hugetlb=1",
    "THP_MEM_ALLOC_ENABLE": "1",  # PyTorch's own switch: large tensors begin at huge pages
}
_AFFINITY = {"OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}  # a thread stays on its core

ALL_PEERS = MappingProxyType(
    {
        peer.name: peer
        for peer in (
            Peer("torch", "PyTorch", "torch", "2.13.0", _EAGER, _EAGER_TEXT, is_standard=True, column="torch"),
            Peer("torch-compile", "torch.compile", "torch", "2.13.0", _COMPILED, _COMPILED_TEXT, compiles=True),
            Peer("torch-mkl-avx512", "PyTorch, AVX-512", "torch", "2.13.0", _EAGER, _EAGER_TEXT, overridden=True,
                 is_standard=True),
            Peer("torch-compile-mkl-avx512", "compile, AVX-512", "torch", "2.13.0", _COMPILED, _COMPILED_TEXT,
                 overridden=True, compiles=True),
            Peer("torch-1-thread", "PyTorch, 1 thread", "torch", "2.13.0", _ONE_THREAD, _ONE_THREAD_TEXT, threads=1),
            Peer("torch-1-thread-mkl-avx512", "1 thread, AVX-512", "torch", "2.13.0", _ONE_THREAD, _ONE_THREAD_TEXT,
                 overridden=True, threads=1),
            Peer("torch-tuned", "PyTorch, tuned", "torch", "2.13.0", _EAGER, overridden=True, environment=_ALLOCATOR),
            Peer("torch-pinned", "PyTorch, pinned", "torch", "2.13.0", _EAGER, overridden=True,
                 environment=_ALLOCATOR | _AFFINITY),
            Peer("torch-step", "PyTorch, compiled step", "torch", "2.13.0", f"{_TORCH}TorchStepEngine",
                 overridden=True, compiles=True, environment=_ALLOCATOR),
            Peer("torch-autotune", "PyTorch, max-autotune", "torch", "2.13.0", f"{_TORCH}TorchAutotuneEngine",
                 overridden=True, compiles=True, environment=_ALLOCATOR),
            Peer("jax-textbook", "JAX", "jax", "0.10.2", "bench.peers.jax_engine:JaxTextbookEngine",
                 "bench.peers.jax_generate:make_generator", column="JAX"),
            Peer("transformers", "transformers", "transformers", "5",
                 generator="bench.peers.transformers_generate:make_generator"),
            Peer("onnxruntime", "onnxruntime", "onnxruntime", "1.32.0",
                 generator="bench.peers.onnx_generate:make_generator"),
            Peer("torch-cuda", "PyTorch, GPU", "torch", "", f"{_CUDA}Engine", on_accelerator=True),
            Peer("torch-cuda-compile", "torch.compile, GPU", "torch", "", f"{_CUDA}CompileEngine",
                 on_accelerator=True),
            Peer("torch-cuda-graphs", "PyTorch, CUDA graph", "torch", "", f"{_CUDA}GraphEngine",
                 on_accelerator=True),
            Peer("torch-cuda-compile-graphs", "torch.compile, CUDA graph", "torch", "", f"{_CUDA}CompileGraphEngine",
                 on_accelerator=True),
            Peer("webgpu", "WebGPU, the playground's engine", "webgpu", "", "bench.peers.webgpu_engine:WebGpuEngine",
                 on_accelerator=True),
        )
    }
)  # fmt: skip
PEERS = MappingProxyType({name: peer for name, peer in ALL_PEERS.items() if not peer.on_accelerator})
ACCELERATOR_PEERS = MappingProxyType({name: peer for name, peer in ALL_PEERS.items() if peer.on_accelerator})

# Every way to run PyTorch on a processor. An expert would run the fastest.
TORCH = tuple(peer.name for peer in PEERS.values() if peer.package == "torch")
TORCH_ON_ACCELERATOR = tuple(peer.name for peer in ACCELERATOR_PEERS.values() if peer.package == "torch")

# Columns of ratios in the tables of peers: heading → variant.
COMPARED = MappingProxyType({f"over {peer.column}": peer.name for peer in PEERS.values() if peer.column})

# Steps that an accelerator gets in one call; a divisor of both the warm-up and the measured steps.
STEPS_TOGETHER = 3

# Generators of weights in fewer bytes: variant → precision.
ROUNDED = MappingProxyType({f"{COMPILED}[precision={precision}]": precision for precision in ROUNDINGS})


def installed_as(variant: str) -> str:
    """Return the variant whose extras a variant needs: for a generator of weights in fewer bytes, its engine."""
    return COMPILED if variant in ROUNDED else variant


# Generators: variant → module:function, this project's first.
GENERATORS = MappingProxyType(
    {
        OURS: "bench.measuring.generation:make_tinygpt_generator",
        COMPILED: "bench.measuring.generation:make_compiled_generator",
        **dict.fromkeys(ROUNDED, "bench.measuring.generation:make_compiled_generator"),
        JAX_ON_CPU: "bench.measuring.generation:make_jax_generator",
    }
    | {peer.name: peer.generator for peer in PEERS.values() if peer.generator is not None}
)
