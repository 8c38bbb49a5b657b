"""TinyGPT: train small GPTs from scratch on a CPU.

>>> from tinygpt import generate_text, load_gallery_model
>>> generate_text(load_gallery_model("shakespeare"), "ROMEO:", temperature=0.8)
"""

from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.checkpoints.trainable import load_engine
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpora import CORPORA, Corpus, load_corpus
from tinygpt.data import Batch, BatchSampler
from tinygpt.engines import ENGINES, Engine, create_engine
from tinygpt.errors import (
    CapacityError,
    CheckpointError,
    ConfigError,
    CorpusError,
    DivergedError,
    FolderInUseError,
    MissingDependencyError,
    StorageError,
    TinyGPTError,
    WorkerError,
)
from tinygpt.evaluation.inspection import TextScore, attention_weights, next_token_probabilities, score_text
from tinygpt.gallery import GalleryModel, gallery_names, load_gallery_model
from tinygpt.generation.conversation import Conversation
from tinygpt.generation.decoding import generate, generate_batch, generate_text, stream_text
from tinygpt.generation.inference import InferenceModel
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.presets import PRESETS, Preset
from tinygpt.recipes import RECIPES
from tinygpt.system.numexpr_import import import_numexpr_early
from tinygpt.training.trainer import StepRecord, Trainer

__version__ = "0.1.0"

import_numexpr_early()  # before a module of this package, or pandas, imports it

__all__ = [
    "CORPORA",
    "ENGINES",
    "PRESETS",
    "RECIPES",
    "Batch",
    "BatchSampler",
    "CapacityError",
    "Checkpoint",
    "CheckpointError",
    "ConfigError",
    "Conversation",
    "Corpus",
    "CorpusError",
    "DivergedError",
    "Engine",
    "FolderInUseError",
    "GalleryModel",
    "InferenceModel",
    "MissingDependencyError",
    "ModelConfig",
    "Preset",
    "SamplingSettings",
    "StepRecord",
    "StorageError",
    "TextScore",
    "TinyGPTError",
    "TrainConfig",
    "Trainer",
    "WorkerError",
    "__version__",
    "attention_weights",
    "create_engine",
    "gallery_names",
    "generate",
    "generate_batch",
    "generate_text",
    "load_checkpoint",
    "load_corpus",
    "load_engine",
    "load_gallery_model",
    "next_token_probabilities",
    "save_checkpoint",
    "score_text",
    "stream_text",
]
