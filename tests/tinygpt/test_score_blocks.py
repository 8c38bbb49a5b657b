"""Blocks of rows: each row is in one of them, and none has too many scores."""

import pytest

from tinygpt import score_blocks
from tinygpt.presets import LADDER


@pytest.mark.parametrize(("rows", "width"), [(1, 1), (512, 50_257), (1024, 50_257), (7, 2**24), (40_000, 256)])
def test_blocks_have_every_row_once_and_few_scores(rows, width):
    blocks = score_blocks.row_blocks(rows, width)
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(rows))
    assert len(blocks) == score_blocks.block_count(rows, width)
    sizes = {block.stop - block.start for block in blocks}
    assert max(sizes) == score_blocks.block_rows(rows, width)
    assert max(sizes) * width <= score_blocks.MOST_SCORES or max(sizes) == 1


def test_bytes_are_one_block_at_every_preset():
    for preset in LADDER.values():
        assert score_blocks.block_count(preset.tokens_per_step, preset.model.vocab_size) == 1
