"""The loop over tokens: read the newest token of every row, choose the next."""

from __future__ import annotations

import numpy as np

from tinygpt.engines.loops.compiling import entry
from tinygpt.generation.compiled.choice import choose, penalize
from tinygpt.generation.compiled.token import read_tokens

Array = np.ndarray


@entry
def continue_rows(
    texts: Array, drawn: Array, temperature: float, top_k: int, top_p: float, min_p: float,
    below: np.float32, above: np.float32, seen: Array,
    token_table: Array, place_table: Array, arena: Array, streamed: bool, eps: np.float32,
    keys: Array, values: Array, lengths: Array, first: int, room: tuple[Array, ...], heap: Array,
) -> bool:  # fmt: skip
    """Write texts (R, n + 1) from their first column on, which holds the newest tokens.

    Args:
        texts: ids; columns 1 to n are written.
        drawn: a number from [0, 1) for every choice (R, n).
        temperature, top_k, top_p, min_p, heap: as in ``choice``.
        below, above: factors of the repetition penalty; 1 for none.
        seen: those tokens, a mask (R, V); written.
        token_table, place_table, arena, streamed, eps, keys, values, lengths, first, room: as in ``token``. The caches
            have room for n more tokens.

    Returns:
        False if a score was not finite.
    """
    logits = room[6]
    for number in range(drawn.shape[1]):
        read_tokens(
            texts[:, number], token_table, place_table, arena, streamed, eps, keys, values, lengths, first, room
        )
        for row in range(len(texts)):
            if below != 1.0:
                penalize(logits[row], seen[row], below, above)
            token = choose(logits[row], drawn[row, number], temperature, top_k, top_p, min_p, heap)
            if token < 0:
                return False
            texts[row, number + 1] = token
            seen[row, token] = True
    return True
