"""The playground's modules and its worker in Node, for what needs no browser."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from sitegen.playground.npm import find_program
from sitegen.playground.publish import SOURCES
from tests import ROOT
from tinygpt.config import ModelConfig

_DRIVER = Path(__file__).with_name("in_node.mjs")
_SECONDS = 300


def run_in_node(script: str, argument: object = None) -> Any:
    """Run ``async (modules, argument) => …`` with the playground's modules; returns its value, through JSON.

    Raises:
        AssertionError: it threw; the message is Node's.
    """
    request = {"sources": f"{(ROOT / SOURCES).as_uri()}/", "script": script, "argument": argument}
    node = find_program("node", "apt-get install nodejs npm")
    done = subprocess.run(
        [node, str(_DRIVER)], input=json.dumps(request), capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def in_page(model: ModelConfig) -> dict[str, Any]:
    """A model's shape in the page's own names."""
    return {
        "nLayers": model.n_layers, "dModel": model.d_model, "nHeads": model.n_heads,
        "contextLength": model.context_length, "eps": model.layer_norm_eps, "vocabSize": model.vocab_size,
    }  # fmt: skip


def encoded(data: bytes | np.ndarray) -> str:
    """Bytes as text that JSON can hold."""
    return base64.b64encode(data if isinstance(data, bytes) else data.tobytes()).decode()
