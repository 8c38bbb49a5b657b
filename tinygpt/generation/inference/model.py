"""GPT-2 for inference: folded weights, a key-value cache, and few passes over memory.

    x = tokens[token] + positions[position]                             centred, and it stays centred
    x = x + attention(x / rms(x)) W_projection;  x = x + mlp(x / rms(x)) W_down          per block
    logits = (x / rms(x)) W_head

Every matrix includes its bias and the gain of the LayerNorm before it (``folding``).
"""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager

import numpy as np
from threadpoolctl import ThreadpoolController

from tinygpt.arguments import whole_number, wrong
from tinygpt.config import ModelConfig
from tinygpt.engines import fastest_engine
from tinygpt.errors import ConfigError, MissingDependencyError
from tinygpt.generation.inference import many_rows
from tinygpt.generation.inference.cache import BatchCache, KeyValueCache
from tinygpt.generation.inference.coding import CodedWeights, encode
from tinygpt.generation.inference.folding import FoldedWeights, LanguageModel, fold
from tinygpt.generation.inference.one_row import OneRow
from tinygpt.rounding import FLOAT32
from tinygpt.system.threads import available_cores
from tinygpt.tokenizers import BYTES, Tokenizer

# Fewer sequences are faster one by one: a product with so few columns reads its matrix slower than a dot product per
# output, and the loss exceeds the gain of reading it once.
FEWEST_TOGETHER = 5

# Tokens of a generation from which importing the compiled loop pays, and tokens × parameters: a token of a large model
# gains more, as all threads share it.
COMPILED_TOKENS, COMPILED_WORK = 10_000, 10_000_000_000

# Rows × parameters of a pass from which several threads pay.
THREADED_WORK = 50_000_000


def has_compiled_loop() -> bool:
    """Return whether Numba is installed, and knows this Python."""
    return fastest_engine() == "compiled"


def compiled_pays(model: ModelConfig, n_tokens: int) -> bool:
    """Return whether the compiled loop is installed, and a generation of so many tokens long enough for it."""
    pays = n_tokens >= COMPILED_TOKENS or n_tokens * model.n_parameters >= COMPILED_WORK
    return pays and has_compiled_loop()


def require_model(model: object, threads: int | None = None) -> ModelConfig:
    """Return a model's shape; raise a ConfigError if it is no model, or if a number of threads is below 1."""
    if threads is not None:
        whole_number("threads", threads, 1)
    shape = getattr(model, "config", None)
    if not isinstance(shape, ModelConfig) or not (hasattr(model, "state_dict") or isinstance(model, InferenceModel)):
        raise wrong("model", model, "an engine or a loaded model: load_checkpoint(DIR), load_gallery_model(NAME)")
    return shape


def model_tokenizer(model: object) -> Tokenizer:
    """Return a model's tokenizer, bytes if it names none; raise a ConfigError if its vocabulary is another."""
    tokenizer: Tokenizer = getattr(model, "tokenizer", BYTES)
    size = require_model(model).vocab_size
    if tokenizer.vocab_size != size:
        problem = f"tokenizer {tokenizer.name!r} has {tokenizer.vocab_size:,} tokens, the model {size:,}"
        raise ConfigError(problem, "the tokenizer that the model was trained with")
    return tokenizer


class InferenceModel:
    """A snapshot of a model's weights for scoring the next token of growing sequences.

    Making one reads and writes every weight. An object can be used with any number of caches, one call at a time.

    Args:
        source: an engine or a loaded checkpoint.
        threads: threads for passes over many rows; by default all cores. One row is read by one thread.
        compiled: generate in a compiled loop; by default where it is installed and a generation is long enough.
        precision: of the weights: ``float32``, or ``int8``, ``bfloat16`` or ``float16``, which need the compiled loop.

    Raises:
        ConfigError: the source is no model, ``threads`` is below 1, or the precision is unknown.
        MissingDependencyError: the compiled loop is needed and not installed.
    """

    def __init__(
        self,
        source: LanguageModel,
        threads: int | None = None,
        compiled: bool | None = None,
        precision: str = FLOAT32,
    ) -> None:
        self.config = require_model(source, threads)
        plain = precision == FLOAT32
        compiled = True if compiled is None and not plain else compiled
        if compiled and not has_compiled_loop():
            problem = "the compiled loop needs numba, which is not installed"
            raise MissingDependencyError(problem, run="python -m pip install 'tinygpt[fast]'")
        self.threads = threads or available_cores()
        self.compiled = compiled
        self.weights: FoldedWeights | CodedWeights = fold(source) if plain else encode(source, precision)
        self.tokenizer = getattr(source, "tokenizer", BYTES)
        self._one_row = OneRow(self.config, self.weights) if isinstance(self.weights, FoldedWeights) else None

    def __repr__(self) -> str:
        return f"<model for generation: {self.config.summary}>"

    @functools.cached_property
    def _blas(self) -> ThreadpoolController:
        return ThreadpoolController()

    def extend(self, tokens: np.ndarray, cache: KeyValueCache) -> np.ndarray:
        """Read n more tokens into the cache: ids (n,) → scores of the token after each, (n, V) float32.

        Raises:
            ConfigError: there are no tokens, or the sequence becomes longer than the context.
        """
        with self._threads_for(len(tokens)):
            return many_rows.read(self.config, self.weights, tokens, cache, every=True)

    def read(self, tokens: np.ndarray, cache: KeyValueCache) -> np.ndarray:
        """Read n more tokens as :meth:`extend` does; return only the scores after the last one, (V,)."""
        with self._threads_for(len(tokens)):
            return many_rows.read(self.config, self.weights, tokens, cache, every=False)[0]

    def step(self, token: int, cache: KeyValueCache) -> np.ndarray:
        """Read one more token and return the scores after it, (V,), valid until the next step.

        Raises:
            ConfigError: the context is full.
        """
        logits = None if self._one_row is None else self._one_row.step(token, cache)
        return self.read(np.array([token]), cache) if logits is None else logits

    def step_batch(self, tokens: np.ndarray, cache: BatchCache) -> np.ndarray:
        """Read one more token (B,) of each of B sequences; return the scores after them, (B, V).

        Raises:
            ConfigError: a row's context is full.
        """
        if len(tokens) < FEWEST_TOGETHER:
            cache.lengths_after_one_more()  # check all rows before the first one changes
            pairs = zip(tokens.tolist(), cache.rows, strict=True)
            return np.array([self.step(token, row).copy() for token, row in pairs])
        with self._threads_for(len(tokens)):
            return many_rows.step(self.config, self.weights, tokens, cache)

    def is_compiled(self, n_tokens: int) -> bool:
        """Return whether a generation of so many tokens takes the compiled loop."""
        return compiled_pays(self.config, n_tokens) if self.compiled is None else self.compiled

    def _threads_for(self, n_rows: int) -> AbstractContextManager[object]:
        """Limit BLAS to the useful number of threads for a pass over so many rows, for a block."""
        threads = self.threads if n_rows * self.config.n_parameters >= THREADED_WORK else 1
        return self._blas.limit(limits=threads, user_api="blas")


def as_inference_model(model: LanguageModel | InferenceModel, threads: int | None = None) -> InferenceModel:
    """Fold a model's weights, unless they are folded already."""
    return model if isinstance(model, InferenceModel) else InferenceModel(model, threads)
