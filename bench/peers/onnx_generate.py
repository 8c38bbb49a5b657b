"""Greedy generation by onnxruntime, from the graph that `invoke export` writes.

The cache stays in onnxruntime's own memory between tokens. When a window is full, its last half is read again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from bench.peers import Generator
from tinygpt.config import ModelConfig
from tinygpt.export.onnx_folder import GRAPH, write_graph
from tinygpt.export.onnx_session import OnnxSession
from tinygpt.params import Arrays
from tinygpt.system.threads import available_cores


def make_generator(model: ModelConfig, weights: Arrays) -> Generator:
    """Make a generator on all cores from a graph with these weights."""
    with tempfile.TemporaryDirectory() as folder:
        write_graph(model, weights, Path(folder))
        session = OnnxSession(Path(folder) / GRAPH, model, available_cores())
    context = model.context_length

    def run(prompt: np.ndarray, n_tokens: int) -> np.ndarray:
        text, unread = prompt.tolist(), len(prompt)
        session.forget()
        for _ in range(n_tokens):
            if session.length == context:
                session.forget()
                unread = max(1, context // 2)
            text.append(int(session.read(np.array(text[-unread:]))[-1].argmax()))
            unread = 1
        return np.array(text[len(prompt) :])

    return run
