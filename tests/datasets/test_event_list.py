"""The text list of events: whatever its layout it is read to the number, and met by the full key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.datasets import caf, event_list
from src.errors import UserError

HEADER = "run subrun cycle evt subevt weight"


def listed(tmp_path, text):
    path = tmp_path / "list.txt"
    path.write_text(text)
    return event_list.read(path)


def columns(rows):
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return {name: table[:, k].astype(np.int64) for k, name in enumerate(caf.KEY)} | {"weight": table[:, 5]}


def as_rows(found):
    return list(zip(*(found[name].tolist() for name in event_list.COLUMNS), strict=True))


@pytest.mark.parametrize("text", [
    f"{HEADER}\n11 1 0 5 2 1.5 \n11 2 0 5 2 1e-3\n",
    f"# {HEADER}\n11\t1 0  5 2 1.5\n\n# half of it\n11 2 0 5 2 0.001",
    "#weight,run,subrun,evt,subevt,cycle\n1.5,11,1,5,2,0\n0.001, 11, 2, 5, 2, 0\n",
    "\nrun evt E subevt weight time cycle subrun\r\n11 5 nan 2 1.5 - 0 1\r\n11 5 7.1 2 .001 x 0 2\r\n",
])  # fmt: skip
def test_any_layout_with_a_header_gives_the_same_numbers(tmp_path, text):
    found = listed(tmp_path, text)
    assert as_rows(found) == [(11, 1, 0, 5, 2, 1.5), (11, 2, 0, 5, 2, 0.001)]
    assert [found[name].dtype for name in event_list.COLUMNS] == [np.int64] * 5 + [np.float64]


def test_an_empty_list_has_columns(tmp_path):
    assert {name: (len(c), c.dtype.kind) for name, c in listed(tmp_path, HEADER).items()} == {
        **dict.fromkeys(caf.KEY, (0, "i")), "weight": (0, "f"),
    }  # fmt: skip


@pytest.mark.parametrize(("text", "why"), [
    ("", "must name the columns, run, .* it names 'run' not at all"),
    ("11 1 0 5 2 1.5\n", "it names 'run' not at all"),
    ("run subrun cycle evt subevt\n", "it names 'weight' not at all"),
    (f"{HEADER} weight\n", "it names 'weight' twice"),
    (f"{HEADER}\n\n11 1 0 5 2\n", "line 3: 5 fields, but the first line names 6 columns"),
    (f"{HEADER}\n11 1 0 5 2 1\n11 1.0 0 6 2 1\n", r"line 3: subrun is '1\.0', not a whole number"),
    (f"{HEADER}\n11 1 0 {10**30} 2 1\n", "line 2: evt is '1000.*', not a whole number"),
    (f"{HEADER}\n11 1 0 5 2 one\n", "line 2: weight is 'one', not a number"),
    (f"{HEADER}\n# c\n11 1 0 5 2 -0.5\n", r"line 3: weight is -0\.5; weights are finite and not negative"),
    (f"{HEADER}\n11 1 0 5 2 nan\n", "line 2: weight is nan; weights are"),
    (f"{HEADER}\n11 1 0 5 2 inf\n", "line 2: weight is inf; weights are"),
])  # fmt: skip
def test_a_bad_list_is_named_with_its_line(tmp_path, text, why):
    with pytest.raises(UserError, match=rf"list\.txt.*{why}"):
        listed(tmp_path, text)


def test_a_list_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"none\.txt: cannot be read \(No such file"):
        event_list.read(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"binary: cannot be read \(it is not text\)"):
        event_list.read(tmp_path / "binary")


def test_the_simulator_s_list_is_of_the_events_with_a_map(tmp_path):
    from tests.datasets.files import make_nova

    path = make_nova(tmp_path, "gibuu")
    with caf.opened(path) as file:
        keys = caf.map_keys(file)
    found = event_list.read(path.with_name("gibuu_events.txt"))
    row, note = event_list.matched(keys, found, np.ones(60, dtype=bool), "list")
    assert np.array_equal(np.sort(row), np.arange(60))
    assert note == "list: 60 of the 60 events selected here are listed"
    assert ((found["weight"] > 1) & (found["weight"] < 10)).mean() > 0.9


row = st.tuples(st.just(11), st.integers(0, 2), st.just(0), st.integers(1, 3), st.integers(1, 2))


@given(st.lists(row, max_size=20, unique=True), st.lists(row, max_size=20), st.randoms(use_true_random=False))
def test_matching_is_that_of_a_dictionary(events, listed, random):
    """The weight follows from the key, so that lines that repeat one agree."""
    chosen = np.array([random.random() < 0.7 for _ in events], dtype=bool)
    found, note = event_list.matched(
        columns([(*e, 0) for e in events]), columns([(*e, 7 * e[1] + e[3]) for e in listed]), chosen, "x"
    )
    assert found.tolist() == [listed.index(e) if e in listed else -1 for e in events]
    here = {e for e, c in zip(events, chosen, strict=True) if c}
    counts = {
        "selected here but not listed": len(here - set(listed)),
        "listed but not selected here": len(set(listed) & set(events) - here),
        "listed but not found here": len(set(listed) - set(events)),
        "listed again": len(listed) - len(set(listed)),
    }
    for what, count in counts.items():
        assert (f" {count} {what}" in note) if count else (what not in note)
    assert note.startswith(f"x: {len(here & set(listed))} of the {len(here)} events selected here are listed")


def test_the_differences_are_named_the_first_three_of_each():
    events = columns([(11, 0, 0, evt, 1, 0) for evt in range(8)])
    table = columns([(11, 0, 0, 6, 1, 2), (11, 0, 0, 5, 1, 2), (11, 0, 0, 6, 1, 2), (12, 0, 0, 5, 1, 2)])
    found, note = event_list.matched(events, table, np.arange(8) != 6, "l.txt")
    assert found.tolist() == [-1, -1, -1, -1, -1, 1, 0, -1]
    assert note == (
        "l.txt: 1 of the 7 events selected here are listed; "
        "6 selected here but not listed: (run 11, subrun 0, cycle 0, evt 0, subevt 1), (run 11, subrun 0, cycle 0, evt 1, subevt 1), "
        "(run 11, subrun 0, cycle 0, evt 2, subevt 1), ...; "
        "1 listed but not selected here: (run 11, subrun 0, cycle 0, evt 6, subevt 1); "
        "1 listed but not found here: (run 12, subrun 0, cycle 0, evt 5, subevt 1); "
        "1 listed again with the same weight, which counts once: (run 11, subrun 0, cycle 0, evt 6, subevt 1)"
    )


def test_one_event_with_two_weights_is_refused():
    table = columns([(11, 0, 0, 6, 1, 2), (11, 0, 0, 5, 1, 2), (11, 0, 0, 6, 1, 3)])
    with pytest.raises(
        UserError, match=r"l\.txt: run 11, .*, evt 6, subevt 1 is listed with the weights 2 and 3 \(1 such"
    ):
        event_list.matched(columns([]), table, np.zeros(0, dtype=bool), "l.txt")
