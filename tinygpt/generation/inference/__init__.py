"""A model for inference: folded weights, key-value caches, one row or many at once."""

from tinygpt.generation.inference.cache import BatchCache, KeyValueCache
from tinygpt.generation.inference.folding import LanguageModel
from tinygpt.generation.inference.model import InferenceModel, as_inference_model, require_model

__all__ = ["BatchCache", "InferenceModel", "KeyValueCache", "LanguageModel", "as_inference_model", "require_model"]
