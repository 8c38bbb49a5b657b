"""Dropout masks as a pure function of (seed, update, row), independent of which and how many workers compute them.

    x ← x · mask      mask is 0 with probability ``rate``, else 1 / (1 − rate)      (Srivastava et al. 2014)

The generator is counter-based (Philox, Salmon et al. 2011): its key comes from the seed, its counter starts at the
update's number and the row of the batch. So a resumed run repeats the masks without a saved generator state, and shards
or accumulated parts of a batch get the same masks as the whole batch.

There are 2 L + 1 sites: the sum of the embeddings, and the output of each block's two branches before it is added to
the residual stream. GPT-2's third site, the attention weights, has no dropout here: its masks would be as large as all
others together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_STREAM = 0xD70  # separates the masks' key from other uses of the same seed
_LEVELS = 1 << 16


def mask_key(seed: int) -> np.ndarray:
    """Return the generator's key, (2,) uint64."""
    return np.random.SeedSequence([seed, _STREAM]).generate_state(2, np.uint64)


def n_sites(n_layers: int) -> int:
    """Return the number of sites with masks in a model."""
    return 2 * n_layers + 1


@dataclass(frozen=True)
class MaskDraw:
    """The masks of one update.

    Attributes:
        rate: the probability of a 0, in steps of 2⁻¹⁶.
        key: the generator's key, (2,) uint64.
        step: the update, counted from 0.
    """

    rate: float
    key: np.ndarray
    step: int

    def fill(self, masks: np.ndarray, first_row: int) -> None:
        """Draw masks for consecutive rows of the batch.

        Args:
            masks: (2 L + 1, B, T, D) float32, overwritten with 0 and 1 / (1 − rate).
            first_row: index of the first of the B rows in the update's whole batch.
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
    """Return x · mask, or x itself without a mask. The backward is the same product: dx = dy · mask."""
    return x if mask is None else x * mask
