"""What no network should be given is refused, with the graph and the hit named."""

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
    check(spoiled(raw_graph(label=99), semantic=(2, 77)), "here", 0, 0)  # classes are not known


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


def test_columns_of_unequal_length_and_a_vertex_that_is_none_are_named():
    graph = raw_graph()
    short = replace(graph.planes["v"], semantic=np.zeros(3, np.int64))
    with pytest.raises(UserError, match="7 positions, but 3 values of semantic"):
        check(replace(graph, planes={**graph.planes, "v": short}), "file.h5", 5, 4)
    with pytest.raises(UserError, match=r"the vertex .* is not three finite numbers"):
        check(replace(graph, vertex=np.array([0, np.nan, 0], np.float32)), "file.h5", 5, 4)
