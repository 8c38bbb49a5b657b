"""The loop over tokens: read the newest token of every row, choose the next."""

from __future__ import annotations

import numpy as np

from tinygpt.engines.loops.compiling import entry
from tinygpt.generation.compiled.choice import choose, penalize
from tinygpt.generation.compiled.meeting import meet
from tinygpt.generation.compiled.token import read_tokens

Array = np.ndarray


@entry
def continue_rows(
    texts: Array, drawn: Array, temperature: float, top_k: int, top_p: float, min_p: float,
    below: np.float32, above: np.float32, seen: Array,
    token_table: Array, token_scales: Array, place_table: Array,
    arena: Array, vectors: Array | None, starts: Array, streamed: bool, eps: np.float32,
    keys: Array, values: Array, lengths: Array, first: int, shared: tuple[Array, ...], room: tuple[Array, ...],
    heap: Array, finite: Array, counters: Array, part: int, parts: int,
) -> None:  # fmt: skip
    """Write texts (R, n + 1) from their first column on, which holds the newest tokens.

    If several threads share the products of these rows, the first one chooses.

    Args:
        texts: ids; columns 1 to n are written.
        drawn: a number from [0, 1) for every choice (R, n).
        temperature, top_k, top_p, min_p, heap: as in ``choice``.
        below, above: factors of the repetition penalty; 1 for none.
        seen: those tokens, a mask (R, V); written.
        finite: its only value becomes False if a score is not finite, and the rows end.
        the rest: as in ``token``. The caches have room for n more tokens.
    """
    logits, stage = shared[4], 1
    for number in range(drawn.shape[1]):
        stage = read_tokens(
            texts[:, number], token_table, token_scales, place_table, arena, vectors, starts, streamed, eps,
            keys, values, lengths, first, shared, room, counters, part, parts, stage,
        )  # fmt: skip
        if part == 0:
            for row in range(len(texts)):
                if below != 1.0:
                    penalize(logits[row], seen[row], below, above)
                token = choose(logits[row], drawn[row, number], temperature, top_k, top_p, min_p, heap)
                if token < 0:
                    finite[0] = False
                else:
                    texts[row, number + 1] = token
                    seen[row, token] = True
        stage = meet(counters, part, parts, stage)
        if not finite[0]:
            return
