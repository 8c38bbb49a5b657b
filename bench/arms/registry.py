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
ARRANGEMENTS = ("whole", "shared")
ROOFLINE_VARIANTS = tuple(f"{ROOFLINE}[{name}]" for name in ARRANGEMENTS)


@dataclass(frozen=True)
class Peer:
    """A framework, or one way to run it, under a name for ``--engines``.

    Attributes:
        version: the measured version; another one is refused, so that a row's commit determines it.
        trainer: ``module:Class`` of its engine; None if it only generates.
        generator: ``module:function`` that makes its generator; None if it only trains.
        overridden: its worker preloads the MKL override (:mod:`bench.measuring.peer_preparation`).
        compiles: it needs a C++ compiler at run time.
        threads: its number of threads; None for all that the process may use.
    """

    name: str
    summary: str
    package: str
    version: str
    trainer: str | None
    generator: str | None = None
    overridden: bool = False
    compiles: bool = False
    threads: int | None = None


_EAGER = "bench.peers.torch_engine:TorchEngine"
_COMPILED = "bench.peers.torch_engine:TorchCompileEngine"
_TORCH_GENERATOR = "bench.peers.torch_generate:make_generator"
_TORCH_ONE_THREAD = "bench.peers.torch_generate:make_one_thread_generator"

PEERS = MappingProxyType(
    {
        peer.name: peer
        for peer in (
            Peer("torch", "PyTorch eager, as installed", "torch", "2.13.0", _EAGER, _TORCH_GENERATOR),
            Peer("torch-compile", "PyTorch through torch.compile, as installed", "torch", "2.13.0", _COMPILED,
                 compiles=True),
            Peer("torch-mkl-avx512", "PyTorch eager, MKL overridden", "torch", "2.13.0", _EAGER, _TORCH_GENERATOR,
                 overridden=True),
            Peer("torch-compile-mkl-avx512", "PyTorch through torch.compile, MKL overridden", "torch", "2.13.0",
                 _COMPILED, overridden=True, compiles=True),
            Peer("torch-1-thread", "PyTorch eager on one thread", "torch", "2.13.0", None, _TORCH_ONE_THREAD,
                 threads=1),
            Peer("torch-1-thread-mkl-avx512", "PyTorch eager on one thread, MKL overridden", "torch", "2.13.0", None,
                 _TORCH_ONE_THREAD, overridden=True, threads=1),
            Peer("jax-textbook", "JAX, the whole step as one compiled function", "jax", "0.10.2",
                 "bench.peers.jax_engine:JaxTextbookEngine", "bench.peers.jax_generate:make_generator"),
            Peer("transformers", "Hugging Face's generate over PyTorch eager", "transformers", "5", None,
                 "bench.peers.transformers_generate:make_generator"),
        )
    }
)  # fmt: skip

# PyTorch as installed and overridden, eager and compiled, on all cores and on one. An expert would run the fastest.
TORCH = tuple(peer.name for peer in PEERS.values() if peer.package == "torch")

# PyTorch on an accelerator: name → module:Class
ACCELERATOR_PEERS = MappingProxyType(
    {
        "torch-cuda": "bench.peers.torch_cuda:TorchCudaEngine",
        "torch-cuda-compile": "bench.peers.torch_cuda:TorchCudaCompileEngine",
        "torch-cuda-graphs": "bench.peers.torch_cuda:TorchCudaGraphEngine",
        "torch-cuda-compile-graphs": "bench.peers.torch_cuda:TorchCudaCompileGraphEngine",
    }
)

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
