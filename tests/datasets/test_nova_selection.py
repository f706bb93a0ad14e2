"""The preselection against hand-made events at every threshold, and against a slow one that looks at event by event."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from src.datasets import caf, nova_selection
from src.datasets.nova_cuts import CUTS, ENDS, PRONGS, SHOWERS, TRACK_INDEX, TRACKS, VERTEX_INDEX, VERTICES
from src.errors import UserError
from tests.datasets.files import make_nova

CONF = Path(__file__).parents[2] / "conf" / "dataset" / "selection"
OFFICIAL, THESIS = (yaml.safe_load((CONF / f"{name}.yaml").read_text()) for name in ("official", "thesis"))
PRESETS = {"official": OFFICIAL, "thesis": THESIS}
NUMU, KALMAN, SLICE, CONTAIN = "rec.energy.numu", "rec.trk.kalman", "rec.slc", "rec.sel.contain"
INSIDE = {name: 500.0 if name.endswith("z") else 0.0 for name in ENDS}
COLUMNS = {
    NUMU: ("trkccE",), "rec.sel.remid": ("pid",), "rec.trk.cosmic": ("ntracks",), "rec.energy.nue": ("E",),
    SLICE: ("nhit", "ncontplanes", "firstplane", "lastplane"), KALMAN: ("ntracks", "idxremid"),
    CONTAIN: ("kalyposattrans", "kalfwdcellnd", "kalbakcellnd", "nplanestofront"),
    VERTICES: ("vtx.x", "vtx.y", "vtx.z", VERTEX_INDEX), PRONGS: ("len",), SHOWERS: (*ENDS, VERTEX_INDEX),
    TRACKS: ("start.z", "stop.z", TRACK_INDEX),
}  # fmt: skip


def event(**changes):
    """Rows by branch of an event that passes everything; changes by branch: columns of its first row, or other rows."""
    rows = {
        NUMU: [{"trkccE": 2.0}], "rec.sel.remid": [{"pid": 0.8}], "rec.trk.cosmic": [{"ntracks": 1}],
        "rec.energy.nue": [{"E": 2.0}],
        SLICE: [{"nhit": 100, "ncontplanes": 50, "firstplane": 30, "lastplane": 100}],
        KALMAN: [{"ntracks": 2, "idxremid": 0}],
        CONTAIN: [{"kalyposattrans": 0.0, "kalfwdcellnd": 20, "kalbakcellnd": 20, "nplanestofront": 30}],
        VERTICES: [{"vtx.x": 0.0, "vtx.y": 0.0, "vtx.z": 300.0, VERTEX_INDEX: 0}], PRONGS: [{"len": 300.0}],
        SHOWERS: [{**INSIDE, VERTEX_INDEX: 0}],
        TRACKS: [{"start.z": 200.0, "stop.z": 900.0, TRACK_INDEX: 0}, {"start.z": 200.0, "stop.z": 400.0, TRACK_INDEX: 1}],
    }  # fmt: skip
    for branch, table in changes.items():
        if isinstance(table, dict):
            rows[branch][0].update(table)
        else:
            rows[branch] = table
    return rows


def keys(n):
    """Of n events; four share a subrun, so that evt and subevt come back in every subrun."""
    k = np.arange(n)
    return {"run": 0 * k + 11, "subrun": k // 4, "cycle": 0 * k, "evt": k % 4 // 2 + 1, "subevt": k % 2 + 1}


def in_memory(events, seed=0):
    """A file of these events, each branch's rows in an order of its own."""
    file, rng, key = (
        h5py.File(f"{seed}.h5", "w", driver="core", backing_store=False),
        np.random.default_rng(seed),
        keys(len(events)),
    )
    for branch, names in COLUMNS.items():
        rows = [(number, row) for number, found in enumerate(events) for row in found[branch]]
        rows = [rows[k] for k in rng.permutation(len(rows))]
        at = np.array([number for number, _ in rows], dtype=np.int64)
        for name in caf.KEY:
            file[f"{branch}/{name}"] = key[name][at][:, None]
        for name in names:
            kind = np.int32 if name in {"nhit", "ncontplanes", "firstplane", "lastplane", "ntracks", "idxremid", "kalfwdcellnd",
                                        "kalbakcellnd", "nplanestofront", VERTEX_INDEX, TRACK_INDEX} else np.float32  # fmt: skip
            file[f"{branch}/{name}"] = np.array([row[name] for _, row in rows], dtype=kind)[:, None]
    return file


def passed(events, selection, seed=0):
    with in_memory(events, seed) as file:
        return nova_selection.select(file, keys(len(events)), selection)


def only(selection, cut):
    """The preset with this one cut; None if it has no such cut."""
    name, cut = cut.split(".")
    return {name: {cut: PRESETS[selection][name][cut]}} if PRESETS[selection][name][cut] else None


def verdicts(events, selection, cut):
    name = cut.split(".")[1]
    (cuts,) = passed(events, only(selection, cut)).cuts.values()
    return cuts[name].tolist()


# --- at the thresholds ---

FIRST, SECOND = 0, 1
LOW = {"x": -180, "y": -180, "z": 20}, {"x": -170, "y": -170, "z": 100}
HIGH = {"x": 180, "y": 180, "z": 1525}, {"x": 170, "y": 170, "z": 1225}
EDGES = [  # cut, branch, row, column, threshold, what passes: official, thesis ("" for no such cut)
    ("numu.track_energy", NUMU, FIRST, "trkccE", 0.0, ">", ">"),
    ("numu.remid", "rec.sel.remid", FIRST, "pid", 0.0, ">", ">"),
    ("numu.hits", SLICE, FIRST, "nhit", 20, ">", ">"),
    ("numu.planes", SLICE, FIRST, "ncontplanes", 4, ">", ">"),
    ("numu.cosmic_tracks", "rec.trk.cosmic", FIRST, "ntracks", 0, ">", ">"),
    ("numu.max_energy", NUMU, FIRST, "trkccE", 5.0, "<", ""),
    *[("numu.prongs", SHOWERS, FIRST, f"{end}.{a}", float(LOW[0][a]), ">=", ">") for a in "xyz" for end in ("start", "stop")],
    *[("numu.prongs", SHOWERS, FIRST, f"{end}.{a}", float(HIGH[0][a]), "<=", "<") for a in "xyz" for end in ("start", "stop")],
    ("numu.track_z", TRACKS, SECOND, "start.z", 1275.0, "<=", "<="),
    ("numu.track_z", TRACKS, SECOND, "stop.z", 1275.0, "<=", "<="),
    ("numu.track_z", TRACKS, FIRST, "stop.z", 1275.0, "any", "<="),
    ("numu.remid_track", KALMAN, FIRST, "idxremid", 2, "<", ""),
    ("numu.planes_hit", SLICE, FIRST, "firstplane", 1, ">", ">"),
    ("numu.planes_hit", SLICE, FIRST, "lastplane", 212, "<", "<"),
    ("numu.planes_hit", SLICE, FIRST, "lastplane", 213, "none", ">"),  # 214 planes are numbered from 0 to 213
    ("numu.start_z", TRACKS, FIRST, "start.z", 1100.0, "<", ""),
    ("numu.catcher", CONTAIN, FIRST, "kalyposattrans", 55.0, "any", "<"),
    ("numu.cells_ahead", CONTAIN, FIRST, "kalfwdcellnd", 5, ">", ">="),
    ("numu.cells_behind", CONTAIN, FIRST, "kalbakcellnd", 10, ">", ">="),
    ("nue.hits_per_plane", SLICE, FIRST, "nhit", 400, "<", ""),
    *[("nue.vertex", VERTICES, FIRST, f"vtx.{a}", t, ">", ">") for a, t in (("x", -100.0), ("y", -160.0), ("z", 150.0))],
    *[("nue.vertex", VERTICES, FIRST, f"vtx.{a}", t, "<", "<") for a, t in (("x", 160.0), ("y", 100.0), ("z", 900.0))],
    *[("nue.showers", SHOWERS, FIRST, f"{end}.{a}", float(LOW[1][a]), ">", ">") for a in "xyz" for end in ("start", "stop")],
    *[("nue.showers", SHOWERS, FIRST, f"{end}.{a}", float(HIGH[1][a]), "<", "<") for a in "xyz" for end in ("start", "stop")],
    ("nue.front_planes", CONTAIN, FIRST, "nplanestofront", 6, ">", ">"),
    ("nue.hits", SLICE, FIRST, "nhit", 20, ">=", ""),
    ("nue.hits", SLICE, FIRST, "nhit", 200, "<=", ""),
    ("nue.energy", "rec.energy.nue", FIRST, "E", 4.5, "<", ""),
    ("nue.longest_prong", PRONGS, FIRST, "len", 100.0, ">", ""),
    ("nue.longest_prong", PRONGS, FIRST, "len", 500.0, "<", ""),
]  # fmt: skip
EXPECTED = {">": [0, 0, 1], ">=": [0, 1, 1], "<": [1, 0, 0], "<=": [1, 1, 0], "any": [1, 1, 1], "none": [0, 0, 0]}


@pytest.mark.parametrize(
    ("cut", "branch", "row", "column", "threshold", "official", "thesis"),
    EDGES,
    ids=[f"{e[0]}-{e[3]}-{e[4]}" for e in EDGES],
)
def test_just_below_on_and_just_above_a_threshold(cut, branch, row, column, threshold, official, thesis):
    """The neighbouring whole number, or the neighbouring float32."""
    near = (-1, 0, 1) if isinstance(threshold, int) else (-np.inf, threshold, np.inf)
    values = [
        threshold + d if isinstance(threshold, int) else np.nextafter(np.float32(threshold), np.float32(d))
        for d in near
    ]
    events = [event() for _ in values]
    for found, value in zip(events, values, strict=True):
        found[branch][row][column] = value
    for selection, wanted in (("official", official), ("thesis", thesis)):
        if wanted:
            assert verdicts(events, selection, cut) == EXPECTED[wanted], selection
        else:
            assert only(selection, cut) is None


def test_a_track_into_the_catcher_must_pass_below_the_air_gap():
    """(stop.z, kalyposattrans): officially either will do, in the study the second alone counts."""
    below, above = np.nextafter(np.float32(1275), np.float32(0)), np.nextafter(np.float32(55), np.float32(0))
    ends = [(below, 55.0), (1275.0, 55.0), (1275.0, above), (below, above)]
    events = [event(**{CONTAIN: {"kalyposattrans": y}, TRACKS: {"stop.z": z}}) for z, y in ends]
    assert verdicts(events, "official", "numu.catcher") == [True, False, True, True]
    assert verdicts(events, "thesis", "numu.catcher") == [False, False, True, True]


MISSING = [  # the branch without a row for the event, cut, does it pass: official, thesis (None for no such cut)
    (NUMU, "numu.track_energy", False, False),
    ("rec.sel.remid", "numu.remid", False, False),
    (SLICE, "numu.hits", False, False),
    (SLICE, "numu.planes", False, False),
    ("rec.trk.cosmic", "numu.cosmic_tracks", False, False),
    (NUMU, "numu.max_energy", False, None),
    (SHOWERS, "numu.prongs", True, True),
    (TRACKS, "numu.track_z", True, True),
    (KALMAN, "numu.remid_track", False, None),
    (SLICE, "numu.planes_hit", False, False),
    (TRACKS, "numu.start_z", False, None),
    (TRACKS, "numu.catcher", True, True),
    (CONTAIN, "numu.catcher", True, False),
    (CONTAIN, "numu.cells_ahead", False, False),
    (CONTAIN, "numu.cells_behind", False, False),
    (VERTICES, "nue.has_vertex", False, None),
    (PRONGS, "nue.has_prong", False, None),
    (SLICE, "nue.hits_per_plane", False, None),
    (VERTICES, "nue.vertex", False, True),
    (SHOWERS, "nue.showers", True, True),
    (CONTAIN, "nue.front_planes", False, False),
    (SLICE, "nue.hits", False, None),
    ("rec.energy.nue", "nue.energy", False, None),
    (PRONGS, "nue.longest_prong", False, None),
]


@pytest.mark.parametrize(("branch", "cut", "official", "thesis"), MISSING)
def test_an_event_without_a_row_in_the_branch(branch, cut, official, thesis):
    for selection, wanted in (("official", official), ("thesis", thesis)):
        if wanted is None:
            assert only(selection, cut) is None
        else:
            assert verdicts([event(), event(**{branch: []})], selection, cut) == [True, wanted], selection


def test_every_cut_meets_a_missing_row():
    assert {cut for _, cut, *_ in MISSING} == {f"{name}.{cut}" for name, cuts in CUTS.items() for cut in cuts}


def test_without_a_track_the_air_gap_alone_decides():
    events = [event(**{TRACKS: [], CONTAIN: {"kalyposattrans": y}}) for y in (54.0, 55.0)]
    assert verdicts(events, "official", "numu.catcher") == [True, False]


def test_one_prong_outside_is_enough_wherever_it_stands():
    prongs = [{**INSIDE, VERTEX_INDEX: 0} for _ in range(3)]
    outside = {**INSIDE, "stop.x": 200.0, VERTEX_INDEX: 0}
    events = [event(**{SHOWERS: rows}) for rows in (prongs, [*prongs, outside], [outside, *prongs])]
    for cut in ("numu.prongs", "nue.showers"):
        for selection in PRESETS:
            assert verdicts(events, selection, cut) == [True, False, False]


def test_the_longest_prong_counts():
    lengths = [(50, 300), (300, 50), (50, 60), (300, 600)]
    events = [event(**{PRONGS: [{"len": x} for x in pair]}) for pair in lengths]
    assert verdicts(events, "official", "nue.longest_prong") == [True, True, False, False]


def test_a_track_in_the_catcher_is_spared_if_it_is_the_one():
    """Only one of two tracks goes on into the catcher: that of index 0, or the muon, which has index 1."""
    tracks = [{"start.z": 200.0, "stop.z": z, TRACK_INDEX: k} for z in (900.0, 1400.0) for k in (0, 1)]
    events = [
        event(**{TRACKS: [a, b], KALMAN: {"idxremid": 1}}) for a, b in ((tracks[2], tracks[1]), (tracks[0], tracks[3]))
    ]
    wanted = {"leading": [True, False], "remid": [False, True], "none": [False, False]}
    for spared, verdict in wanted.items():
        found = passed(events, {"numu": {"track_z": {"at_most": 1275, "spared": spared}}})
        assert found.events.tolist() == verdict


def test_hits_per_plane_are_the_files_own_if_it_has_them():
    events = [event(), event()]
    with in_memory(events) as file:
        for name, column in {**keys(2), "hitsperplane": np.array([8.0, 7.9])}.items():
            file[f"rec.sel.nuecosrej/{name}"] = column[:, None]
        selected = nova_selection.select(file, keys(2), {"nue": {"hits_per_plane": {"below": 8}}})
    assert selected.events.tolist() == [False, True]
    no_plane = [event(**{SLICE: {"ncontplanes": 0, "nhit": n}}) for n in (0, 3)]
    assert verdicts(no_plane, "official", "nue.hits_per_plane") == [False, False]


# --- how the presets differ ---

OUTSIDE = {**INSIDE, "start.y": -190.0, VERTEX_INDEX: 1}
SECOND_VERTEX = {"vtx.x": 0.0, "vtx.y": 0.0, "vtx.z": 100.0, VERTEX_INDEX: 1}
DIFFERENCES = {
    "numu": {
        "5 GeV": event(**{NUMU: {"trkccE": 5.0}}),
        "a prong ends on a face": event(**{SHOWERS: {"stop.x": 180.0}}),
        "a second vertex' prong outside": event(**{SHOWERS: [{**INSIDE, VERTEX_INDEX: 0}, OUTSIDE]}),
        "the leading track ends in the catcher": event(**{TRACKS: {"stop.z": 1300.0}}),
        "no track is the muon": event(**{KALMAN: {"idxremid": 999}}),
        "a plane beyond the last": event(**{SLICE: {"lastplane": 214}}),
        "it starts close to the catcher": event(**{TRACKS: {"start.z": 1100.0}}),
        "it stops before the catcher, above the gap": event(**{CONTAIN: {"kalyposattrans": 55.0}}),
        "5 cells ahead": event(**{CONTAIN: {"kalfwdcellnd": 5}}),
        "10 cells behind": event(**{CONTAIN: {"kalbakcellnd": 10}}),
        "no track": event(**{TRACKS: []}),
    },
    "nue": {
        "a second vertex outside": event(**{VERTICES: [*event()[VERTICES], SECOND_VERTEX]}),
        "no vertex": event(**{VERTICES: []}),
        "no prong": event(**{PRONGS: [], SHOWERS: []}),
        "8 hits a plane": event(**{SLICE: {"ncontplanes": 12}}),
        "19 hits": event(**{SLICE: {"nhit": 19}}),
        "201 hits": event(**{SLICE: {"nhit": 201}}),
        "4.5 GeV": event(**{"rec.energy.nue": {"E": 4.5}}),
        "a short prong": event(**{PRONGS: {"len": 100.0}}),
        "a long prong": event(**{PRONGS: {"len": 500.0}}),
    },
}
KEPT = {
    "a prong ends on a face", "a second vertex' prong outside", "the leading track ends in the catcher",
    "it stops before the catcher, above the gap", "a second vertex outside",
}  # fmt: skip
"""Of these, what is selected officially, and not by the study."""
ALIKE = {
    "passes": event(),
    "no energy": event(**{NUMU: {"trkccE": 0.0}}),
    "NaN": event(**{NUMU: {"trkccE": np.nan}, VERTICES: {"vtx.x": np.nan}, SHOWERS: {"stop.z": np.nan}}),
    "20 hits": event(**{SLICE: {"nhit": 20}}),
    "another track in the catcher": event(**{TRACKS: [*event()[TRACKS], {"start.z": 1276.0, "stop.z": 900.0, TRACK_INDEX: 2}]}),
    "last plane": event(**{SLICE: {"lastplane": 213}}),
    "4 cells ahead": event(**{CONTAIN: {"kalfwdcellnd": 4}}),
    "11 cells behind": event(**{CONTAIN: {"kalbakcellnd": 11}}),
    "a shower on a face": event(**{SHOWERS: {"stop.x": 170.0}}),
    "a second vertex' prong between the boxes": event(**{SHOWERS: [*event()[SHOWERS], {**OUTSIDE, "start.y": -175.0}]}),
    "the leading vertex outside": event(**{VERTICES: {"vtx.z": 901.0}}),
    "close to the front": event(**{CONTAIN: {"nplanestofront": 6}}),
}  # fmt: skip


@pytest.mark.parametrize("name", ["numu", "nue"])
def test_the_presets_differ_in_the_listed_events_and_no_others(name):
    """Each of them by one row alone; what the other selection's list holds, this one's presets agree on or list, too."""
    events = {**DIFFERENCES[name], **ALIKE}
    official, thesis = (passed([*events.values()], PRESETS[p]).selections[name] for p in PRESETS)
    differ = {what: bool(a) for what, a, b in zip(events, official, thesis, strict=True) if a != b}
    assert differ == {what: what in KEPT for what in DIFFERENCES[name]}
    assert [*events].index("passes") in np.flatnonzero(official & thesis)


def test_each_difference_comes_from_one_cut():
    """Of the events that only one preset selects, the other fails one cut (of an event without a track or prong, two)."""
    for name, events in DIFFERENCES.items():
        found = [passed([*events.values()], PRESETS[p]).cuts[name] for p in PRESETS]
        failed = [{cut for cuts in found for cut, mask in cuts.items() if not mask[k]} for k in range(len(events))]
        several = {what for what, cuts in zip(events, failed, strict=True) if len(cuts) > 1}
        assert several <= {"no vertex", "no prong"}


def test_both_presets_name_every_cut():
    for preset in PRESETS.values():
        assert {name: list(cuts) for name, cuts in preset.items()} == {name: list(cuts) for name, cuts in CUTS.items()}
    assert all(cut for cuts in OFFICIAL.values() for cut in cuts.values())


# --- keys ---


def test_events_meet_the_rows_of_their_own_key():
    """One bad row in the second subrun: the event of that evt and subevt in the first one passes."""
    events = [event() for _ in range(8)]
    events[5][SLICE][0]["nhit"] = 3
    events[2][SHOWERS].append({**OUTSIDE, VERTEX_INDEX: 0})
    found = passed(events, OFFICIAL).events
    assert np.flatnonzero(~found).tolist() == [2, 5]


def test_masks_follow_the_order_of_the_keys_and_other_events_rows_do_not_matter():
    events = [*DIFFERENCES["numu"].values(), *DIFFERENCES["nue"].values(), *ALIKE.values()]
    whole, some = passed(events, OFFICIAL), np.random.default_rng(0).permutation(len(events))[:15]
    with in_memory(events) as file:
        part = nova_selection.select(file, {k: v[some] for k, v in keys(len(events)).items()}, OFFICIAL)
    for name, cuts in whole.cuts.items():
        for cut, mask in cuts.items():
            assert np.array_equal(part.cuts[name][cut], mask[some]), cut
    assert np.array_equal(part.events, whole.events[some])


def test_an_event_of_both_selections_is_one_event():
    found = passed([event()], OFFICIAL)
    assert all(mask.tolist() == [True] for mask in found.selections.values())
    assert len(found.selections) == 2
    assert found.events.tolist() == [True]
    assert nova_selection.cut_flow(found, np.array([2]), ("nc", "nue", "numu"))[-1].events["all"] == 1


def test_what_is_switched_off_does_not_cut():
    bad = event(**{NUMU: {"trkccE": -1.0}, "rec.energy.nue": {"E": 9.0}})
    assert not passed([bad], OFFICIAL).events[0]
    assert passed([bad], {**OFFICIAL, "nue": {**OFFICIAL["nue"], "energy": None}}).events[0]
    assert not passed([bad], {"numu": OFFICIAL["numu"], "nue": None}).events[0]
    for nothing in ({}, {"numu": None, "nue": None}):
        assert passed([bad], nothing).events.tolist() == [True]


def test_a_missing_branch_or_column_and_a_doubled_row_are_named():
    with in_memory([event()]) as file:
        del file["rec.sel.remid"]
        with pytest.raises(UserError, match=r"no rec\.sel\.remid/run; the branch is not in the file"):
            nova_selection.select(file, keys(1), OFFICIAL)
        nova_selection.select(file, keys(1), {"nue": OFFICIAL["nue"]})
    with in_memory([event()]) as file:
        del file[f"{SLICE}/nhit"]
        with pytest.raises(UserError, match=r"no rec\.slc/nhit; it has cycle"):
            nova_selection.select(file, keys(1), OFFICIAL)
    with (
        in_memory([event(**{SLICE: 2 * event()[SLICE]})]) as file,
        pytest.raises(UserError, match=r"rec\.slc: 1 keys stand twice"),
    ):
        nova_selection.select(file, keys(1), OFFICIAL)


# --- against a slow one ---


def slow(found, cut, **t):
    """Whether an event passes a cut: the definitions, read one row after the other."""
    (first,) = found[SLICE] or [dict.fromkeys(COLUMNS[SLICE], np.nan)]
    (contain,) = found[CONTAIN] or [dict.fromkeys(COLUMNS[CONTAIN], np.nan)]
    (kalman,) = found[KALMAN] or [dict.fromkeys(COLUMNS[KALMAN], np.nan)]
    tracks = {row[TRACK_INDEX]: row for row in found[TRACKS]}

    def between(value, low, high, faces=False):
        return low <= value <= high if faces else low < value < high

    def contained(row, faces=False):
        return all(between(row[f"{end}.{axis}"], *t[axis], faces) for axis in "xyz" for end in ("start", "stop"))

    def box(row):
        return all(between(row[f"vtx.{axis}"], *t[axis]) for axis in "xyz")

    if cut in {"numu.track_energy", "numu.remid", "numu.cosmic_tracks", "numu.max_energy", "nue.energy"}:
        branch = {
            "track": NUMU,
            "max": NUMU,
            "remid": "rec.sel.remid",
            "cosmic": "rec.trk.cosmic",
            "energy": "rec.energy.nue",
        }
        rows = [*found[branch[cut.split(".")[1].split("_")[0]]]]
        return bool(rows) and between(next(iter(rows[0].values())), t.get("above", -np.inf), t.get("below", np.inf))
    if cut in {"numu.hits", "numu.planes"}:
        return first["nhit" if cut == "numu.hits" else "ncontplanes"] > t["above"]
    if cut == "numu.prongs":
        rows = found[SHOWERS] if t["vertices"] == "all" else [r for r in found[SHOWERS] if r[VERTEX_INDEX] == 0]
        return all(contained(row, t["inclusive"]) for row in rows)
    if cut == "numu.track_z":
        spared = {"leading": 0, "remid": kalman["idxremid"], "none": None}[t["spared"]]
        return all(
            row["start.z"] <= t["at_most"] and row["stop.z"] <= t["at_most"] for k, row in tracks.items() if k != spared
        )
    if cut == "numu.remid_track":
        return kalman["ntracks"] - kalman["idxremid"] > t["above"]
    if cut == "numu.planes_hit":
        bound = np.inf if t["last_below"] is None else t["last_below"]
        return (
            first["firstplane"] > t["first_above"]
            and first["lastplane"] < bound
            and first["lastplane"] not in t["last_not"]
        )
    if cut == "numu.start_z":
        return 0 in tracks and tracks[0]["start.z"] < t["below"]
    if cut == "numu.catcher":
        before = t["stop_below"] is not None and 0 in tracks and tracks[0]["stop.z"] < t["stop_below"]
        return before or contain["kalyposattrans"] < t["transition_below"]
    if cut in {"numu.cells_ahead", "numu.cells_behind", "nue.front_planes"}:
        column = {"ahead": "kalfwdcellnd", "behind": "kalbakcellnd", "planes": "nplanestofront"}[cut.split("_")[1]]
        return contain[column] > t["above"]
    if cut in {"nue.has_vertex", "nue.has_prong"}:
        return len(found[VERTICES if cut == "nue.has_vertex" else PRONGS]) >= t["at_least"]
    if cut == "nue.hits_per_plane":
        return first["ncontplanes"] > 0 and first["nhit"] / first["ncontplanes"] < t["below"]
    if cut == "nue.vertex":
        if t["vertices"] == "all":
            return all(map(box, found[VERTICES]))
        return any(row[VERTEX_INDEX] == 0 and box(row) for row in found[VERTICES])
    if cut == "nue.showers":
        return all(map(contained, found[SHOWERS]))
    if cut == "nue.hits":
        return t["at_least"] <= first["nhit"] <= t["at_most"]
    assert cut == "nue.longest_prong"
    return bool(found[PRONGS]) and between(max(row["len"] for row in found[PRONGS]), t["above"], t["below"])


def random_event(rng):
    """Values on and around every threshold; any row may be missing, and there are up to three vertices, prongs, tracks."""

    def one(*values):
        return float(rng.choice(values))

    def rows(branch, most, **indices):
        number = int(rng.integers(most + 1)) if most > 1 else int(rng.random() < 0.9)
        return [{name: value(branch, name, k) for name in COLUMNS[branch]} for k in range(number)]

    def value(branch, name, k):
        if name == TRACK_INDEX or (branch == VERTICES and name == VERTEX_INDEX):
            return k
        spread = {
            "trkccE": (-1, 0, 1, 5), "pid": (0, 0.5), "ntracks": (0, 1, 2), "E": (1, 4.5, 6), "idxremid": (0, 1, 999),
            "nhit": (19, 20, 21, 100, 200, 201), "ncontplanes": (0, 4, 5, 25), "firstplane": (1, 2), "lastplane": (211, 212, 213, 214),
            "kalyposattrans": (54, 55), "kalfwdcellnd": (4, 5, 6), "kalbakcellnd": (9, 10, 11), "nplanestofront": (6, 7),
            "len": (100, 300, 500), VERTEX_INDEX: (0, 0, 1),
            "vtx.x": (-100, 0, 0, 0, 160), "vtx.y": (-160, 0, 0, 0, 100), "vtx.z": (150, 300, 300, 300, 900),
        }  # fmt: skip
        if name in spread:
            return one(*spread[name])
        if branch == TRACKS:
            return one(200, 900, 1100, 1275, 1300)
        return one(20, 100, *[500] * 9, 1225, 1525) if name.endswith("z") else one(-180, -170, *[0] * 9, 170, 180)

    return {branch: rows(branch, 3 if branch in {VERTICES, PRONGS, SHOWERS, TRACKS} else 1) for branch in COLUMNS}


VARIED = {
    "numu": {**OFFICIAL["numu"], "track_z": {"at_most": 1100, "spared": "remid"}, "start_z": None,
             "prongs": {**OFFICIAL["numu"]["prongs"], "vertices": "all"}},
    "nue": {**OFFICIAL["nue"], "has_vertex": {"at_least": 2}, "vertex": {**THESIS["nue"]["vertex"], "z": [100, 500]}},
}  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 24), st.sampled_from([OFFICIAL, THESIS, VARIED]))
def test_the_slow_selection_agrees(seed, n, selection):
    rng = np.random.default_rng(seed)
    events = [random_event(rng) for _ in range(n)]
    found = passed(events, selection, seed)
    union = [False] * n
    for name, cuts in selection.items():
        wanted = {c: [bool(slow(e, f"{name}.{c}", **t)) for e in events] for c, t in cuts.items() if t is not None}
        assert {cut: mask.tolist() for cut, mask in found.cuts[name].items()} == wanted
        union = [before or all(mask[k] for mask in wanted.values()) for k, before in enumerate(union)]
    assert found.events.tolist() == union


# --- the cut flow ---


def test_the_cut_flow_counts_what_is_left_by_class_and_falls():
    rng = np.random.default_rng(1)
    events = [*map(random_event, [rng] * 40), *[event() for _ in range(10)]]
    label = rng.integers(-1, 3, len(events))
    found = passed(events, OFFICIAL)
    steps = nova_selection.cut_flow(found, label, ("nc", "nue", "numu"))
    assert [s.cut for s in steps] == ["no cut", *OFFICIAL["numu"], *OFFICIAL["nue"], "selected"]
    for name, cuts in found.cuts.items():
        before, left = steps[0], [True] * len(events)
        for step in (s for s in steps if s.selection == name):
            left = [a and bool(b) for a, b in zip(left, cuts[step.cut], strict=True)]
            assert step.events["all"] == sum(left)
            assert [step.events[c] for c in ("nc", "nue", "numu")] == [
                sum(a for a, of in zip(left, label, strict=True) if of == c) for c in range(3)
            ]
            assert all(step.events[c] <= before.events[c] for c in step.events)
            before = step
    last = {name: [s for s in steps if s.selection == name][-1].events["all"] for name in found.cuts}
    assert max(last.values()) <= steps[-1].events["all"] <= sum(last.values())
    assert steps[-1].events["all"] >= 10
    assert steps[0].events["all"] == len(events) > sum(steps[0].events[c] for c in ("nc", "nue", "numu"))


def test_the_table_adds_up_the_files_of_a_domain():
    selection = {"nue": {"hits": OFFICIAL["nue"]["hits"]}}
    few = event(**{SLICE: {"nhit": 3}})
    genie = [(passed([event(), few], selection), np.array([1, 1])), (passed([event()], selection), np.array([0]))]
    gibuu = [(passed([few], selection), np.array([-1]))]
    assert nova_selection.flow_text({"genie": genie, "gibuu": gibuu}, ("nc", "nue")).split("\n") == [
        "selection  cut       genie nc  genie nue  genie all  gibuu nc  gibuu nue  gibuu all",
        "           no cut           1          2          3         0          0          1",
        "nue        hits             1          1          2         0          0          0",
        "           selected         1          1          2         0          0          0",
    ]


# --- the configuration ---


@pytest.mark.parametrize("selection", [None, {}, OFFICIAL, THESIS, VARIED, {"numu": None}, {"nue": {"vertex": None}}])
def test_what_may_be_configured(selection):
    nova_selection.check(selection)


@pytest.mark.parametrize(("selection", "why"), [
    ({"num": {}}, r"selection\.num: there is no such selection; did you mean 'numu'\?"),
    ({"nue": {"vertexx": None}}, r"selection\.nue\.vertexx: there is no such cut; did you mean 'vertex'\?"),
    ({"nue": {"hits": {"at_least": 2, "at_mots": 3}}}, r"hits\.at_mots: there is no such threshold; did you mean 'at_most'\?.*hits\.at_most: missing"),
    ({"numu": {"remid": {"above": "high"}}}, r"selection\.numu\.remid\.above=high: should be a number"),
    ({"numu": {"remid": {"above": True}}}, r"above=True: should be a number"),
    ({"numu": {"remid": {"above": None}}}, r"above=None: should be a number"),
    ({"numu": {"remid": {"above": float("nan")}}}, r"above=nan: should be a finite number"),
    ({"numu": {"remid": 0.5}}, r"selection\.numu\.remid=0\.5: give its thresholds \(above\), or null to switch it off"),
    ({"numu": 3}, r"selection\.numu=3: give its cuts, or null"),
    ({"nue": {"vertex": {**OFFICIAL["nue"]["vertex"], "z": [900, 150]}}}, r"z=\[900, 150\]: the lower bound comes first"),
    ({"nue": {"vertex": {**OFFICIAL["nue"]["vertex"], "z": [150, 150]}}}, r"z=\[150, 150\]: the lower bound comes first"),
    ({"nue": {"vertex": {**OFFICIAL["nue"]["vertex"], "z": [900]}}}, r"z=\[900\]: .* at least 2 items"),
    ({"nue": {"vertex": {**OFFICIAL["nue"]["vertex"], "vertices": "first"}}}, r"vertices=first: should be 'leading' or 'all'"),
    ({"numu": {"prongs": {**OFFICIAL["numu"]["prongs"], "inclusive": "yes"}}}, r"inclusive=yes: should be a boolean"),
    ({"a": {}, "nue": {"b": {}}}, r"selection\.a: .*; selection\.nue\.b: "),
])  # fmt: skip
def test_a_mistake_is_named_with_its_key(selection, why):
    with pytest.raises(ValueError, match=why):
        nova_selection.check(selection)


def test_thresholds_can_be_given_on_the_command_line(compose):
    of = "dataset.selection"
    cfg = compose("dataset/selection=official", f"{of}.nue.vertex.z=[150,950]", f"{of}.numu.max_energy=null", f"{of}.numu.remid.above=0.75")  # fmt: skip
    selection = cfg.dataset.selection
    assert (selection.nue.vertex.z, selection.numu.max_energy, selection.numu.remid.above) == ([150, 950], None, 0.75)
    assert selection.nue.vertex.x == OFFICIAL["nue"]["vertex"]["x"]
    assert compose("dataset/selection=official", f"{of}.nue=null").dataset.selection.nue is None
    assert compose("dataset/selection=thesis", f"{of}.nue.energy={{below: 3}}").dataset.selection.nue.energy.below == 3
    assert not compose("dataset=nova").dataset.selection


def test_simulated_files_have_all_that_the_cuts_read(tmp_path):
    """And both presets select some of each class, but not all of any."""
    with caf.opened(make_nova(tmp_path, "genie", 300, class_mix=(1, 1, 1))) as file:
        key, truth = caf.map_keys(file), caf.columns(file, caf.TRUTH, (*caf.KEY, "iscc", "pdg"))
        at = caf.join(key, truth, "truth")
        label = np.where(truth["iscc"] == 0, 0, np.where(truth["pdg"] == 12, 1, 2))[at]
        for preset in PRESETS.values():
            found = nova_selection.select(file, key, preset).events
            assert (np.bincount(label[found], minlength=3) > 0).all()
            assert (np.bincount(label[found], minlength=3) < np.bincount(label)).all()
