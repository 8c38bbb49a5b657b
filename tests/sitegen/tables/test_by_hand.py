"""Every number on the page of one step by hand is one of ``tinygpt.learn.by_hand``, which has tests of its own."""

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from sitegen.tables.by_hand import parameters_table, tex_name, walk_html
from sitegen.text.maths import to_mathml
from tinygpt.learn.by_hand import PARAMETERS, numbers
from tinygpt.learn.by_hand_steps import BACKWARD, FORWARD, STEPS


class Matrices(HTMLParser):
    """The small tables of a page, each as rows of texts, and the places of all ways through the graph."""

    def __init__(self, html):
        super().__init__()
        self.found, self.steps, self.nodes, self._in_cell = [], [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "table":
            self.found.append([])
        if tag == "tr" and self.found:
            self.found[-1].append([])
        if tag == "section":
            self.steps.append((given["data-way"], given["data-node"]))
        if given.get("class") == "tg-walk__node":
            self.nodes.append(given["data-node"])
        self._in_cell = tag == "td"

    def handle_data(self, data):
        if self._in_cell:
            self.found[-1][-1].append(data)

    def handle_endtag(self, tag):
        self._in_cell = False


def value_of(text):
    return float(text.replace("−", "-").replace("∞", "inf"))


@pytest.fixture(scope="module")
def page():
    return Matrices(walk_html())


def test_every_number_of_the_walk_is_one_of_the_step(page):
    values, names = numbers(), [name for step in STEPS for name in step.shown]
    captions = re.findall("<caption>(.*?)</caption>", walk_html())
    assert captions == [to_mathml(tex_name(name), display=False) for name in names]
    for name, rows in zip(names, page.found, strict=True):
        shown = np.array([[value_of(text) for text in row] for row in rows if row])
        np.testing.assert_allclose(shown, np.atleast_2d(values[name]), atol=5.1e-5, err_msg=name)


def test_every_step_has_a_node_of_the_graph_and_every_node_a_step_each_way(page):
    assert page.steps == [(step.way, step.node) for step in STEPS]
    assert set(page.nodes) == {step.node for step in FORWARD} == {step.node for step in BACKWARD}


def test_names_of_numbers_are_formulas():
    assert tex_name("dx_hat_1") == r"\d \hat x_1"
    assert tex_name("W_qkv") == r"W_{\mathrm{qkv}}"
    assert (tex_name("y4"), tex_name("S"), tex_name("dloss"), tex_name("mu_f")) == ("y_4", "S", r"\d \ell", r"\mu_f")
    for step in STEPS:
        for name in step.shown:
            assert to_mathml(tex_name(name), display=False).startswith("<math")


def test_the_table_has_every_parameter():
    html = unescape(parameters_table())
    values = numbers()
    assert html.count("<tr>") == 1 + sum(values[name].size for name in PARAMETERS)
    for name, (long, _) in PARAMETERS.items():
        assert f"<code>{long}[{', '.join('0' * values[name].ndim)}]</code>" in html
