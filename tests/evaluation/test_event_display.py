"""A planted cell comes out where the names of the axes say."""

import numpy as np
import pytest

from src.evaluation.event_display import events


def test_views_axes_and_a_planted_cell():
    maps = np.zeros((2, 2, 100, 80), dtype=np.uint8)
    maps[1, 0, 30, 7] = 200
    figure = events(maps, ["νμ CC, $p$ = 0.98", "NC"], ("x-z", "y-z"), ("Plane", "Cell"), "Charge (8 bit)")
    *panels, bar = figure.axes
    assert [axes.get_title() for axes in panels] == ["νμ CC, \\$p\\$ = 0.98\nx-z", "y-z", "NC\nx-z", "y-z"]
    assert [axes.get_xlabel() for axes in panels] == ["", "", "Plane", "Plane"]
    assert [axes.get_ylabel() for axes in panels] == ["Cell", "", "Cell", ""]
    assert bar.get_ylabel() == "Charge (8 bit)"
    image = panels[2].images[0]
    shown = image.get_array()
    assert shown.shape == (80, 100)
    assert shown[7, 30] == 200
    assert shown.mask.sum() == 80 * 100 - 1, "empty cells have no colour"
    assert image.origin == "lower"
    assert {axes.images[0].get_clim() for axes in panels} == {(0, 200)}
    figure.draw_without_rendering()


@pytest.mark.parametrize("shape", [(1, 1, 8, 6), (3, 3, 5, 9)])
def test_any_number_of_events_and_views_even_empty_ones(shape):
    figure = events(np.zeros(shape), [f"event {i}" for i in range(shape[0])], [f"view {v}" for v in range(shape[1])])
    assert len(figure.axes) == shape[0] * shape[1] + 1
    figure.draw_without_rendering()
