"""The table of all that is measured besides this project's engines: peers, generators, the roofline.

A framework is imported only in the worker that measures it. The extra ``peers`` installs the versions in the table.
Nothing in ``tinygpt`` knows these peers.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

OURS = "vectorized"  # the engine that is compared with peers
REFERENCE = "numpy"  # all other engines' losses are compared with its losses, so it runs at every preset
JAX_ON_CPU = "jax[device=cpu]"  # plain ``jax`` requires an accelerator

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
        words: in menus.
        version: the measured version; another one is refused, so that a row's commit determines it.
        trainer: ``module:Class`` of its engine; None if it only generates.
        generator: ``module:function`` that makes its generator; None if it only trains.
        overridden: its worker preloads the MKL override (:mod:`bench.measuring.peer_preparation`).
        compiles: it needs a C++ compiler at run time.
        threads: its number of threads; None for all that the process may use.
        is_standard: it is measured in suite ``standard`` too, and not only beside all other peers.
        column: the tables of peers have a column "over …" with its time over ours; empty for none.
        on_accelerator: it runs on a GPU, in any version.
    """

    name: str
    label: str
    words: str
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


_EAGER = "bench.peers.torch_engine:TorchEngine"
_COMPILED = "bench.peers.torch_engine:TorchCompileEngine"
_TORCH_GENERATOR = "bench.peers.torch_generate:make_generator"
_TORCH_ONE_THREAD = "bench.peers.torch_generate:make_one_thread_generator"
_CUDA = "bench.peers.torch_cuda:TorchCuda"

ALL_PEERS = MappingProxyType(
    {
        peer.name: peer
        for peer in (
            Peer("torch", "PyTorch", "PyTorch, as installed", "torch", "2.13.0", _EAGER, _TORCH_GENERATOR,
                 is_standard=True, column="torch"),
            Peer("torch-compile", "torch.compile", "torch.compile", "torch", "2.13.0", _COMPILED, compiles=True),
            Peer("torch-mkl-avx512", "PyTorch, AVX-512", "PyTorch, MKL overridden to AVX-512", "torch", "2.13.0",
                 _EAGER, _TORCH_GENERATOR, overridden=True, is_standard=True),
            Peer("torch-compile-mkl-avx512", "compile, AVX-512", "torch.compile, MKL overridden to AVX-512", "torch",
                 "2.13.0", _COMPILED, overridden=True, compiles=True),
            Peer("torch-1-thread", "PyTorch, 1 thread", "PyTorch, one thread", "torch", "2.13.0",
                 generator=_TORCH_ONE_THREAD, threads=1),
            Peer("torch-1-thread-mkl-avx512", "1 thread, AVX-512", "PyTorch, one thread, MKL overridden to AVX-512",
                 "torch", "2.13.0", generator=_TORCH_ONE_THREAD, overridden=True, threads=1),
            Peer("jax-textbook", "JAX", "JAX", "jax", "0.10.2", "bench.peers.jax_engine:JaxTextbookEngine",
                 "bench.peers.jax_generate:make_generator", column="JAX"),
            Peer("transformers", "transformers", "Hugging Face transformers", "transformers", "5",
                 generator="bench.peers.transformers_generate:make_generator"),
            Peer("torch-cuda", "PyTorch, GPU", "PyTorch on the GPU", "torch", "", f"{_CUDA}Engine",
                 on_accelerator=True),
            Peer("torch-cuda-compile", "torch.compile, GPU", "torch.compile on the GPU", "torch", "",
                 f"{_CUDA}CompileEngine", on_accelerator=True),
            Peer("torch-cuda-graphs", "PyTorch, CUDA graph", "PyTorch, the step as a CUDA graph", "torch", "",
                 f"{_CUDA}GraphEngine", on_accelerator=True),
            Peer("torch-cuda-compile-graphs", "torch.compile, CUDA graph", "torch.compile, the step as a CUDA graph",
                 "torch", "", f"{_CUDA}CompileGraphEngine", on_accelerator=True),
        )
    }
)  # fmt: skip
PEERS = MappingProxyType({name: peer for name, peer in ALL_PEERS.items() if not peer.on_accelerator})
ACCELERATOR_PEERS = MappingProxyType({name: peer for name, peer in ALL_PEERS.items() if peer.on_accelerator})

# PyTorch as installed and overridden, eager and compiled, on all cores and on one. An expert would run the fastest.
TORCH = tuple(peer.name for peer in PEERS.values() if peer.package == "torch")

# Columns of ratios in the tables of peers: heading → variant.
COMPARED = MappingProxyType({f"over {peer.column}": peer.name for peer in PEERS.values() if peer.column})

# Steps that an accelerator gets in one call; a divisor of both the warm-up and the measured steps.
STEPS_TOGETHER = 3

# Generators: variant → module:function, this project's first.
GENERATORS = MappingProxyType(
    {
        OURS: "bench.measuring.generation:make_tinygpt_generator",
        JAX_ON_CPU: "bench.measuring.generation:make_jax_generator",
    }
    | {peer.name: peer.generator for peer in PEERS.values() if peer.generator is not None}
)
