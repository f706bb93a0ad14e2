"""What no network should be given is refused, with the graph and the hit named."""

import re
from dataclasses import replace

import numpy as np
import pytest

from src.datasets.nugraph_checks import check
from src.errors import UserError
from tests.datasets.raw_graphs import raw_graph, toy


def spoiled(graph, **columns):
    """The graph with a column of its plane v changed at one place: name=(place, value)."""
    plane = graph.planes["v"]
    changed = {name: getattr(plane, name).copy() for name in columns}
    for name, (place, value) in columns.items():
        changed[name][place] = value
    return replace(graph, planes={**graph.planes, "v": replace(plane, **changed)})


def test_good_graphs_pass():
    for graph in [*toy(), raw_graph(), raw_graph(hits=(0, 3, 0), points=0), raw_graph(label=None)]:
        check(graph, "here", 5, 4)
    check(spoiled(raw_graph(label=99), semantic=(2, 127)), "here", 0, 0)  # classes are not known


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"semantic": (3, 5)}, "semantic label 5 of hit 3; there are classes 0 to 4, and -1"),
        ({"semantic": (3, -2)}, "semantic label -2 of hit 3"),
        ({"x": ((2, 1), np.nan)}, "x of hit 2 is .*nan.*, not finite"),
        ({"pos": ((2, 0), np.inf)}, "pos of hit 2 is .*inf.*, not finite"),
        ({"edges": ((1, 0), 7)}, "edge indices reach from 0 to 7, and there are 7"),
        ({"edges": ((0, 0), -1)}, "edge indices reach from -1"),
        ({"links": ((0, 0), 7)}, "link's hit indices reach .* to 7, and there are 7"),
        ({"links": ((1, 0), 6)}, "point indices reach .* to 6, and there are 6"),
    ],
)
def test_what_is_wrong_with_a_plane_is_named(columns, sentence):
    with pytest.raises(UserError, match=f"file.h5: graph r1_sr0_evt0, plane v: {sentence}"):
        check(spoiled(raw_graph(), **columns), "file.h5", 5, 4)


@pytest.mark.parametrize("label", [-1, 4])
def test_an_event_label_out_of_range_is_named(label):
    with pytest.raises(UserError, match=f"event label {label}; there are classes 0 to 3"):
        check(raw_graph(label=label), "file.h5", 5, 4)


def test_the_number_of_features_is_that_of_the_graphs_before():
    assert check(raw_graph(hits=(0, 0, 0)), "file.h5", 5, 4) is None
    assert check(raw_graph(features=6), "file.h5", 5, 4) == 8
    assert check(raw_graph(hits=(0, 0, 0)), "file.h5", 5, 4, 8) == 8
    with pytest.raises(UserError, match=r"r1_sr0_evt0, plane u: hits have 4 features .*, those before 8"):
        check(raw_graph(), "file.h5", 5, 4, 8)


@pytest.mark.parametrize(
    ("name", "shape", "wanted"),
    [
        ("pos", (7, 3), "(7, 2)"), ("pos", (7,), "(7, 2)"), ("x", (7,), "(7, any)"), ("x", (6, 2), "(7, any)"),
        ("id", (7, 1), "(7,)"), ("semantic", (3,), "(7,)"), ("instance", (8,), "(7,)"),
        ("edges", (15, 2), "(2, any)"), ("edges", (3, 15), "(2, any)"), ("links", (7, 2), "(2, any)"), ("links", (2,), "(2, any)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("features", [None, 4])
def test_a_column_of_another_shape_is_named(name, shape, wanted, features):
    graph = raw_graph()
    bad = replace(graph.planes["v"], **{name: np.zeros(shape, getattr(graph.planes["v"], name).dtype)})
    sentence = f"file.h5: graph r1_sr0_evt0, plane v: {name} is of shape {shape}, not {wanted}, at 7 hits"
    with pytest.raises(UserError, match=re.escape(sentence)):
        check(replace(graph, planes={**graph.planes, "v": bad}), "file.h5", 5, 4, features)


@pytest.mark.parametrize(("known", "label"), [(0, 128), (0, -2), (500, 200)])
def test_a_semantic_label_that_does_not_fit_is_named(known, label):
    with pytest.raises(UserError, match=f"semantic label {label} of hit 3; there are classes 0 to 127"):
        check(spoiled(raw_graph(), semantic=(3, label)), "file.h5", known, 4)


def test_a_vertex_that_is_none_is_named():
    graph = raw_graph()
    with pytest.raises(UserError, match=r"the vertex .* is not three finite numbers"):
        check(replace(graph, vertex=np.array([0, np.nan, 0], np.float32)), "file.h5", 5, 4)
