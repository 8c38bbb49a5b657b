"""Greedy generation by Hugging Face's ``generate``, the usual call, on PyTorch eager.

Its cache belongs to one call, and a call ends at the context. So each window is a separate call, which starts with the
last half of the window before.
"""

from __future__ import annotations

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from bench.peers import Generator
from tinygpt.config import ModelConfig
from tinygpt.params import Arrays
from tinygpt.system.threads import available_cores


def make_generator(model: ModelConfig, weights: Arrays) -> Generator:
    """Make a generator from a GPT2LMHeadModel with these weights."""
    torch.set_num_threads(available_cores())
    config = GPT2Config(
        vocab_size=model.vocab_size,
        n_positions=model.context_length + 1,  # room for the token that a full window predicts; never read
        n_embd=model.d_model,
        n_layer=model.n_layers,
        n_head=model.n_heads,
        layer_norm_epsilon=model.layer_norm_eps,
        bos_token_id=None,
        eos_token_id=None,
    )
    module = GPT2LMHeadModel(config).eval()
    state = {f"transformer.{name}": torch.tensor(value) for name, value in weights.items()}
    positions = state["transformer.wpe.weight"]
    state["transformer.wpe.weight"] = torch.cat([positions, torch.zeros_like(positions[:1])])
    state["lm_head.weight"] = state["transformer.wte.weight"]
    module.load_state_dict(state)
    context = model.context_length

    def run(prompt: np.ndarray, n_tokens: int) -> np.ndarray:
        text = torch.from_numpy(prompt.astype(np.int64))[None]
        unread, end = len(prompt), len(prompt) + n_tokens
        while text.shape[1] < end:
            window = text[:, -unread:]
            fresh = min(end - text.shape[1], context - unread + 1)
            written = module.generate(
                window,
                attention_mask=torch.ones_like(window),
                max_new_tokens=fresh,
                min_new_tokens=fresh,
                do_sample=False,
                use_cache=True,
                pad_token_id=0,
            )
            text = torch.cat([text, written[:, unread:]], dim=1)
            unread = max(1, context // 2)
        return text[0, len(prompt) :].numpy()

    return run
