"""Dropout masks as a pure function of (seed, update, row): who computes them, and how many do, changes nothing.

    x ← x · m / (1 − p)      m is 0 with probability p, else 1          (Srivastava et al. 2014)

The generator is counter-based (Philox, Salmon et al. 2011): its key comes from the seed, its counter starts at the
update's number and the row of the batch. So a resumed run repeats the masks without a generator's state to save, and a
batch that is cut into shards or accumulated in parts sees the masks of the whole.

Where they stand: on the sum of the embeddings, and on the output of each block's two branches before it joins the
residual stream, 2 L + 1 sites. GPT-2's third place, the attention weights, has none: those masks would be as large as
all others together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_STREAM = 0xD70  # keeps the masks' key apart from whatever else is drawn from the same seed
_LEVELS = 1 << 16


def mask_key(seed: int) -> np.ndarray:
    """The generator's key, (2,) uint64."""
    return np.random.SeedSequence([seed, _STREAM]).generate_state(2, np.uint64)


def n_sites(n_layers: int) -> int:
    """S: places of a model that have masks."""
    return 2 * n_layers + 1


@dataclass(frozen=True)
class MaskDraw:
    """The masks of one update.

    Attributes:
        rate: p, in steps of 2⁻¹⁶.
        key: of the generator, (2,) uint64.
        step: the update, counted from 0.
    """

    rate: float
    key: np.ndarray
    step: int

    def fill(self, masks: np.ndarray, first_row: int) -> None:
        """Draw masks for consecutive rows of the batch.

        Args:
            masks: (S, B, T, D) float32, overwritten with 0 and 1 / (1 − p).
            first_row: the number of the first of the B rows within the update's whole batch.
        """
        sites, rows, length, width = masks.shape
        count = sites * length * width
        threshold = round(self.rate * _LEVELS)
        scale = np.float32(1.0 / (1.0 - threshold / _LEVELS))
        for row in range(rows):
            generator = np.random.Philox(counter=[0, first_row + row, self.step, 0], key=self.key)
            drawn = generator.random_raw(-(-count // 4)).astype("<u8", copy=False).view(np.uint16)[:count]
            np.multiply(drawn.reshape(sites, length, width) >= threshold, scale, out=masks[:, row])


def dropped(x: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """x · mask, or x itself without one. The backward is the same product: dx = dy · mask."""
    return x if mask is None else x * mask
