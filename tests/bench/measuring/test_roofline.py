from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from bench.arms.registry import ARRANGEMENTS
from bench.arms.step_work import Product, step_products, total_flops
from bench.measuring.roofline import ProductRunner, RooflinePass, share
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


def test_a_runner_makes_every_product_as_often_as_a_step(monkeypatch):
    made = []
    real = np.matmul

    def counted(a, b, out):
        made.append((a.shape, b.shape, out.shape))
        return real(a, b, out=out)

    products = [Product("a", 1, 3, 4, 5, 2, "rows"), Product("b", 6, 3, 4, 5, 1, "batch")]
    runner = ProductRunner(products)
    monkeypatch.setattr(np, "matmul", counted)
    runner.run()
    assert made == [((3, 4), (4, 5), (3, 5))] * 2 + [((6, 3, 4), (6, 4, 5), (6, 3, 5))]


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_a_pass_holds_blas_to_its_threads_and_lets_go(arrangement):
    before = blas_threads()
    with RooflinePass(MODEL, 4, arrangement, threads=2) as products:
        assert blas_threads() == ({1} if arrangement == "shared" else {2})
        products.run()
    assert blas_threads() == before
