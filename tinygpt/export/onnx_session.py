"""An exported model in onnxruntime, with the key-value cache of one text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from tinygpt.config import ModelConfig
from tinygpt.export.onnx_graph import past_names, present_name


class OnnxSession:
    """A text that onnxruntime reads.

    Args:
        path: of the graph.
        model: its shape.
        threads: by default onnxruntime's own choice.
    """

    def __init__(self, path: Path, model: ModelConfig, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._past = past_names(model)
        self._results = ["logits", *map(present_name, self._past)]
        empty = np.zeros((1, model.n_heads, 0, model.head_dim), np.float32)
        self._empty = onnxruntime.OrtValue.ortvalue_from_numpy(empty)
        self.forget()

    def forget(self) -> None:
        """Begin a new text."""
        self.length, self._cache = 0, [self._empty] * len(self._past)

    def read(self, tokens: np.ndarray) -> np.ndarray:
        """Read n more tokens: ids (n,) → the scores after each, (n, V)."""
        places = np.arange(self.length, self.length + len(tokens))
        inputs = {"input_ids": tokens.astype(np.int64)[None], "position_ids": places[None]}
        feeds = {name: onnxruntime.OrtValue.ortvalue_from_numpy(value) for name, value in inputs.items()}
        feeds |= zip(self._past, self._cache, strict=True)
        logits, *self._cache = self._session.run_with_ort_values(self._results, feeds)
        self.length += len(tokens)
        scores: np.ndarray = logits.numpy()[0]
        return scores
