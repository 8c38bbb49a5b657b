"""TinyGPT: train small GPTs from scratch on a CPU.

>>> from tinygpt import PRESETS, create_engine
>>> preset = PRESETS["tiny"]
>>> engine = create_engine("vectorized", preset.model, preset.train, seed=0)
"""

from tinygpt.checkpoints.checkpoint import load_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import ENGINES, Engine, create_engine
from tinygpt.generation.decoding import generate, generate_batch, generate_text, stream_text
from tinygpt.presets import PRESETS, Preset
from tinygpt.system.numexpr_import import import_numexpr_early

__version__ = "0.1.0"

import_numexpr_early()  # before a module of this package, or pandas, imports it

__all__ = [
    "ENGINES",
    "PRESETS",
    "Engine",
    "ModelConfig",
    "Preset",
    "TrainConfig",
    "__version__",
    "create_engine",
    "generate",
    "generate_batch",
    "generate_text",
    "load_checkpoint",
    "stream_text",
]
