from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from bench.arms.registry import COLD, MKL, ROOFLINE_VARIANTS, SHARED
from bench.arms.step_work import Product, step_products, total_flops
from bench.arms.variants import variant_options
from bench.measuring import roofline
from bench.measuring.roofline import ProductRunner, roofline_pass, share
from tinygpt.config import ModelConfig
from tinygpt.presets import PRESETS

MODEL = ModelConfig(n_layers=2, d_model=12, n_heads=3, context_length=7)


def blas_threads() -> set[int]:
    return {entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"}


def test_flops_are_the_closed_form():
    b, model = 5, MODEL
    n, d, t, c = b * model.context_length, model.d_model, model.context_length, model.head_dim
    projections = 6 * n * (model.n_layers * 12 * d * d + model.vocab_size * d)
    heads = -(-b * model.n_heads * (t + 1) // (2 * t))  # the causal share of B·H, rounded up
    attention = model.n_layers * 6 * 2 * heads * t * t * c
    assert total_flops(step_products(model, b)) == projections + attention


def test_shapes_of_a_projection_and_its_gradients():
    by_name = {product.name: product for product in step_products(MODEL, 5)}
    shapes = {
        name: (by_name[f"mlp.c_fc {name}"].rows, by_name[f"mlp.c_fc {name}"].inner, by_name[f"mlp.c_fc {name}"].columns)
        for name in ("forward", "dx", "dw")
    }
    assert shapes == {"forward": (35, 12, 48), "dx": (35, 48, 12), "dw": (12, 35, 48)}
    assert by_name["head forward"].count == 1
    assert by_name["mlp.c_fc dw"].count == MODEL.n_layers
    assert len([name for name in by_name if name.startswith("attention")]) == 6


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_sharing_loses_nothing_and_is_even(preset, parts):
    products = step_products(PRESETS[preset].model, PRESETS[preset].train.batch_size)
    shares = [total_flops(part) for part in share(products, parts)]
    assert sum(shares) == total_flops(products)
    assert max(shares) < 1.2 * min(shares)


def test_more_threads_than_tokens():
    product = Product("few", 1, 2, 4, 4, 1, "rows")
    assert [len(part) for part in share([product], 3)] == [0, 1, 1]


def calls_of(product, options, monkeypatch):
    """The operands of every call in a pass, and whether they are right."""
    made = []
    real = np.matmul

    def counted(a, b, out):
        made.append((a, b, out))
        return real(a, b, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    runner = ProductRunner([product], options)
    made.clear()
    runner.run()
    monkeypatch.undo()
    return made


@pytest.mark.parametrize("product", [Product("a", 1, 3, 4, 5, 2, "rows"), Product("b", 6, 3, 4, 5, 1, "batch")])
def test_a_runner_makes_every_product_as_often_as_a_step(product, monkeypatch):
    made = calls_of(product, (SHARED,), monkeypatch)
    batch = (product.batch,) if product.batch > 1 else ()
    shapes = [(*batch, 3, 4), (*batch, 4, 5), (*batch, 3, 5)]
    assert [[array.shape for array in call] for call in made] == [shapes] * product.count
    for left, right, out in made:
        assert np.allclose(out, left @ right, atol=1e-5)


@pytest.mark.parametrize(("layout", "turned"), [(0, (False, False)), (1, (False, True)), (2, (True, False))])
def test_the_fastest_of_three_layouts_is_taken(layout, turned, monkeypatch):
    times = iter(1.0 if number == layout else 2.0 for number in range(3))
    monkeypatch.setattr(roofline, "_seconds", lambda calls: next(times))
    ((left, right, _),) = calls_of(Product("a", 1, 30, 40, 50, 1, "rows"), (), monkeypatch)
    assert tuple(not array.flags.c_contiguous for array in (left, right)) == turned


def test_cold_products_have_their_own_buffers_and_hot_ones_share_them(monkeypatch):
    product = Product("a", 1, 30, 40, 50, 6, "rows")
    for options, count in (((), 1), ((COLD,), 6)):
        made = calls_of(product, options, monkeypatch)
        assert len({left.ctypes.data for left, _, _ in made}) == count
    monkeypatch.setattr(roofline, "_COLD_BYTES", 3 * 4 * (30 * 40 + 40 * 50 + 30 * 50))
    assert len({left.ctypes.data for left, _, _ in calls_of(product, (COLD,), monkeypatch)}) == 3


@pytest.mark.parametrize("variant", [name for name in ROOFLINE_VARIANTS if MKL not in name])
def test_a_pass_holds_blas_to_its_threads_and_lets_go(variant):
    before = blas_threads()
    options = variant_options(variant).split(",")
    with roofline_pass(MODEL, 4, options, threads=2) as run:
        assert blas_threads() == ({1} if SHARED in options else {2})
        run()
    assert blas_threads() == before
