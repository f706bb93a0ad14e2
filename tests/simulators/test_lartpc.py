"""The liquid-argon toy: mechanics that must hold exactly, and events that look like their flavour."""

import numpy as np
import pytest

from src.simulators import lartpc
from src.simulators import lartpc_interactions as interactions
from src.simulators.lartpc import CLASS_MIX, simulate
from src.simulators.lartpc_interactions import CLASSES, NC, NUE, NUMU, NUTAU, TAU, interact
from src.simulators.lartpc_particles import MUON, PIZERO, PROTON, make
from src.simulators.lartpc_readout import BOARD, NOMINAL, PITCH, TICK, Response, read_out, seen
from src.simulators.lartpc_secondaries import from_neutrals
from src.simulators.lartpc_tracks import BRAGG, HIGH, LOW, MIP, Deposits, Rays, kinetic_of, range_of, tracks

HITS = 400
VERTEX = np.array([150.0, 0.0, 100.0])


def rng(seed=0):
    return np.random.default_rng(seed)


def of_flavour(flavour, events=30):
    return list(simulate(events, class_mix=np.eye(4)[flavour], seed=7 + flavour, hits=HITS))


@pytest.fixture(scope="module")
def flavours():
    return [of_flavour(flavour) for flavour in range(4)]


def flavour_of(event):
    if not event.truth["is_cc"][0]:
        return NC
    return {12: NUE, 14: NUMU, 16: NUTAU}[abs(event.truth["nu_pdg"][0])]


def places(event, plane=2):
    """Positions (cm) of the hits of a plane, and their numbers."""
    which = event.hits["local_plane"] == plane
    wire, time = event.hits["local_wire"][which], event.hits["local_time"][which]
    return np.stack([wire * PITCH, time * TICK], axis=1), event.hits["hit_id"][which]


def hits_of(event, particle, plane=2):
    """Where a particle left something in a plane."""
    place, number = places(event, plane)
    return place[np.isin(number, event.edeps["hit_id"][event.edeps["g4_id"] == particle])]


def primaries(event, *kinds):
    table = event.particles
    return np.flatnonzero((table["parent_id"] == 0) & np.isin(np.abs(table["type"]), kinds))


def vertex_of(event, plane=2):
    return np.array([event.truth["nu_vtx_wire_pos"][0, plane] * PITCH, event.truth["nu_vtx_wire_time"][0] * TICK])


# -- mechanics


@pytest.mark.parametrize("kind", BRAGG)
def test_range_and_energy_are_inverse_and_the_loss_is_the_power_law(kind):
    bragg = np.full(200, BRAGG[kind])
    residual = np.geomspace(1e-2, 1e3, 200)
    assert range_of(kinetic_of(residual, bragg), bragg) == pytest.approx(residual)
    small = 1e-6 * residual
    loss = (kinetic_of(residual + small, bragg) - kinetic_of(residual - small, bragg)) / (2 * small)
    assert loss == pytest.approx(np.maximum(bragg * residual**-0.42, MIP), rel=2e-3)


def test_a_track_leaves_its_energy_and_ends_at_its_range():
    kinetic, far = (
        np.array([150.0, 300.0]),
        np.array([range_of(np.array([t]), np.array([17.0]))[0] for t in (150, 300)]),
    )
    rays = Rays(
        np.array([1, 2]),
        np.full(2, PROTON),
        np.tile(VERTEX, (2, 1)),
        np.tile([0.0, 0, 1], (2, 1)),
        kinetic,
        np.full(2, np.inf),
    )
    deposits, ends = tracks(rng(), rays, 0.1)
    assert np.bincount(deposits.owner, deposits.energy)[1:] == pytest.approx(kinetic, rel=0.05)
    assert np.linalg.norm(ends.position - VERTEX, axis=1) == pytest.approx(far, rel=0.05)
    assert (ends.left < 1e-6).all()
    assert not ends.outside.any()


def test_tracks_end_at_the_walls():
    rays = Rays(
        np.array([1]), np.array([MUON]), VERTEX[None], np.array([[0.0, 0, 1]]), np.array([5000.0]), np.array([np.inf])
    )
    deposits, ends = tracks(rng(), rays, 0.5)
    assert ends.outside.all()
    assert ((deposits.position > LOW - 0.5) & (deposits.position < HIGH + 0.5)).all()
    assert ends.left[0] == pytest.approx(5000 - MIP * (700 - 100), rel=0.02)


def test_photons_of_a_pizero_have_its_mass_and_momentum():
    pizeros = make(PIZERO, 0, VERTEX, rng(1).standard_normal((50, 3)), rng(2).uniform(1, 3000, 50), "primary")
    one, two = from_neutrals(rng(3), pizeros, 1 + np.arange(50))
    momentum = one.kinetic[:, None] * one.direction + two.kinetic[:, None] * two.direction
    assert one.kinetic + two.kinetic == pytest.approx(pizeros.kinetic + 135)
    assert momentum == pytest.approx(pizeros.momentum[:, None] * pizeros.direction, abs=1e-6)
    assert (one.parent == 1 + np.arange(50)).all()


def test_a_daughter_of_a_tau_keeps_its_mass_when_boosted_and_the_rest_is_a_neutrino():
    tau, mass = np.array([0.4, -0.2, 5.0]), 0.77
    energy = np.sqrt(tau @ tau + TAU**2)
    for seed in range(20):
        daughter = interactions._boosted(rng(seed), tau, (TAU**2 - mass**2) / (2 * TAU), mass)
        missing = tau - daughter
        assert energy - np.sqrt(daughter @ daughter + mass**2) == pytest.approx(np.sqrt(missing @ missing))


@pytest.mark.parametrize("flavour", [NUE, NUMU, NUTAU])
def test_the_lepton_and_the_hadrons_balance_the_beam(flavour):
    mass = interactions.LEPTON_MASS[flavour]
    for seed in range(20):
        lepton, hadrons = interactions._scatter(rng(seed), 6.0, mass)
        assert lepton + hadrons == pytest.approx([0, 0, 6.0])
        assert mass < np.sqrt(lepton @ lepton + mass**2) < 6.0


def test_taus_need_energy_and_decay_with_the_measured_shares():
    made = [interact(rng(seed), NUTAU, VERTEX) for seed in range(600)]
    assert min(event.energy for event in made) > 3.5
    assert np.mean([e.energy for e in made]) > 1.3 * np.mean(
        [interact(rng(s), NUMU, VERTEX).energy for s in range(200)]
    )
    for kind, share in ((13, 0.174), (11, 0.178)):
        assert np.mean([(event.particles.kind == kind).any() for event in made]) == pytest.approx(share, abs=0.05)
    assert not any((event.particles.kind == 15).any() for event in made)


def test_a_charge_on_a_wire_is_one_hit_and_far_ones_are_two():
    position = np.array([[100.0, 0, 50.15], [100.1, 0, 50.2], [120.0, 0, 50.2]])
    deposits = Deposits(np.array([1, 1, 2]), position, np.full(3, 2.0), np.full(3, 2.0))
    hits, member = read_out(rng(1), deposits, 1.0)
    collection = member[:, 2]
    assert collection[0] == collection[1] != collection[2]
    wires, times = seen(position)
    assert (hits.wire[collection] == wires[:, 2].astype(int)).all()
    assert hits.time[collection[2]] == pytest.approx(times[2], abs=2)
    assert hits.integral[collection[0]] == pytest.approx(2 * hits.integral[collection[2]], rel=0.3)


# -- events


def same(one, other):
    tables = ("hits", "points", "edeps", "truth", "particles")
    return all(np.array_equal(getattr(one, t)[c], getattr(other, t)[c]) for t in tables for c in getattr(one, t))


def test_an_event_is_a_function_of_the_seed_and_its_number():
    all_of_them, later = list(simulate(6, seed=3, hits=150)), list(simulate(2, seed=3, hits=150, first=4))
    assert [event.event for event in later] == [4, 5]
    assert all(same(one, other) for one, other in zip(all_of_them[4:], later, strict=True))
    other = next(iter(simulate(1, seed=4, hits=150)))
    assert not np.array_equal(other.truth["nu_vtx_corr"], all_of_them[0].truth["nu_vtx_corr"])
    assert other.run != all_of_them[0].run


def test_the_mix_is_the_studys_and_one_flavour_can_be_had_alone(flavours):
    count = np.bincount([flavour_of(event) for event in simulate(150, hits=60)], minlength=4)
    assert count / 150 == pytest.approx(np.array(CLASS_MIX), abs=0.1)
    assert all(flavour_of(event) == flavour for flavour, events in enumerate(flavours) for event in events)
    assert len(CLASSES) == 4
    with pytest.raises(ValueError, match="class_mix"):
        next(iter(simulate(1, class_mix=(1, 0))))


@pytest.mark.parametrize("hits", [150, 600])
def test_events_have_about_as_many_hits_as_asked_for(hits):
    assert np.mean([len(event.hits["hit_id"]) for event in simulate(60, hits=hits, seed=1)]) == pytest.approx(
        hits, rel=0.25
    )


def test_tables_fit_together(flavours):
    for event in (event for events in flavours for event in events):
        n = len(event.hits["hit_id"])
        assert np.array_equal(event.hits["hit_id"], np.arange(n))
        assert (event.hits["integral"] > 0).all()
        assert (event.hits["local_wire"] >= 0).all()
        assert event.edeps["hit_id"].max() < n
        assert np.isin(event.edeps["g4_id"], event.particles["g4_id"]).all()
        assert np.isin(event.particles["parent_id"], [0, *event.particles["g4_id"]]).all()
        assert (event.particles["parent_id"] < event.particles["g4_id"]).all()
        pairs = event.edeps["hit_id"] * 10_000 + event.edeps["g4_id"]
        assert len(np.unique(pairs)) == len(pairs)
        assert len({len(column) for column in event.points.values()}) == 1


def test_hits_look_like_a_chambers(flavours):
    rms, integral = (
        np.concatenate([e.hits[name] for events in flavours for e in events]) for name in ("rms", "integral")
    )
    assert rms.min() > 1
    assert 2 < np.percentile(rms, 5) < np.percentile(rms, 95) < 10
    assert 60 < np.median(integral) < 300
    late = np.concatenate([e.hits["local_time"] for events in flavours for e in events]) > 4000
    assert np.median(rms[late]) > np.median(rms[~late])


def test_few_hits_have_no_particle_and_some_have_several(flavours):
    events = [event for events in flavours for event in events]
    hits = sum(len(event.hits["hit_id"]) for event in events)
    noise = hits - sum(len(np.unique(event.edeps["hit_id"])) for event in events)
    assert 0.003 < noise / hits < 0.03
    assert 1.02 < sum(len(event.edeps["hit_id"]) for event in events) / hits < 1.5


def test_space_points_lie_where_their_hits_are(flavours):
    coarse = 8.0  # wires read out as one at this number of hits
    for event in (event for events in flavours for event in events[:10]):
        points = event.points
        wires, ticks = seen(np.stack([points[axis] for axis in "xyz"], axis=1).astype(float))
        for plane, name in enumerate("uvy"):
            hit = points[f"hit_id_{name}"]
            linked = hit >= 0
            assert (event.hits["local_plane"][hit[linked]] == plane).all()
            assert (np.abs(event.hits["local_wire"][hit] - wires[:, plane])[linked] < coarse).all()
            assert (np.abs(event.hits["local_time"][hit] - ticks)[linked] < 12 * coarse).all()
        linked = np.stack([points[f"hit_id_{name}"] for name in "uvy"], axis=1) >= 0
        assert (linked.sum(axis=1) >= 2).all()


def test_an_event_may_have_no_space_points(monkeypatch):
    monkeypatch.setattr(lartpc, "WITHOUT", 1.0)
    events = list(simulate(3, hits=HITS))
    assert all(len(event.points["x"]) == 0 < len(event.hits["hit_id"]) for event in events)


def test_a_muon_neutrino_has_a_long_track_from_the_vertex(flavours):
    lengths = []
    for event in flavours[NUMU]:
        (muon,) = primaries(event, 13)
        track = hits_of(event, event.particles["g4_id"][muon])
        if len(track) > 10:
            away = np.linalg.norm(track - vertex_of(event), axis=1)
            lengths.append(away.max())
            assert away.min() < 8
            line = np.linalg.svd(track - track.mean(axis=0), compute_uv=False)
            assert line[1] < 0.12 * line[0]
    assert np.median(lengths) > 120
    assert not any(len(primaries(event, 13)) for event in flavours[NC] + flavours[NUE])


def test_an_electron_neutrino_has_a_shower_at_the_vertex_and_photons_start_after_a_gap(flavours):
    for event in flavours[NUE]:
        (electron,) = primaries(event, 11)
        shower = hits_of(event, event.particles["g4_id"][electron])
        if len(shower) > 30:
            away = np.linalg.norm(shower - vertex_of(event), axis=1)
            assert away.min() < 8
            spread = np.linalg.svd(shower - shower.mean(axis=0), compute_uv=False)
            assert spread[1] > 0.02 * spread[0]
    gaps = []
    for event in flavours[NC]:
        photons = event.particles["g4_id"][(event.particles["type"] == 22) & (event.particles["momentum"] > 0.1)]
        showers = [hits_of(event, photon) for photon in photons]
        gaps += [np.linalg.norm(s - vertex_of(event), axis=1).min() for s in showers if len(s) > 5]
    assert 8 < np.mean(gaps) < 40


def test_michel_electrons_start_where_their_muon_stopped(flavours):
    found = 0
    for event in flavours[NUMU] + flavours[NUTAU] + flavours[NC]:
        table = event.particles
        kind = dict(zip(table["g4_id"].tolist(), np.abs(table["type"]).tolist(), strict=True))
        for electron in np.flatnonzero(
            (np.abs(table["type"]) == 11) & np.isin(table["start_process"], ["Decay", "muMinusCaptureAtRest"])
        ):
            assert kind[table["parent_id"][electron]] == 13
            assert table["momentum"][electron] < 0.0535
            muon, michel = (hits_of(event, table[name][electron]) for name in ("parent_id", "g4_id"))
            if len(muon) > 3 and len(michel):
                along = (muon - muon.mean(axis=0)) @ np.linalg.svd(muon - muon.mean(axis=0))[2][0]
                ends = muon[[along.argmin(), along.argmax()]]
                assert np.linalg.norm(michel[:, None] - ends, axis=2).min() < 10
                found += 1
    assert found >= 3


def charges(events, kind, momentum):
    """The integrals of all hits of primaries of a kind, within a range of momenta."""
    found = []
    for event in events:
        for row in primaries(event, kind):
            if momentum[0] < event.particles["momentum"][row] < momentum[1]:
                hits = event.edeps["hit_id"][event.edeps["g4_id"] == event.particles["g4_id"][row]]
                found.append(event.hits["integral"][hits])
    return np.concatenate(found)


def test_protons_ionise_more_than_muons(flavours):
    proton = charges([event for events in flavours for event in events], 2212, (0.4, 0.9))
    assert np.median(proton) > 1.6 * np.median(charges(flavours[NUMU], 13, (0.5, 20)))


def test_taus_look_like_the_others_in_size(flavours):
    size = [np.median([len(event.hits["hit_id"]) for event in events]) for events in flavours]
    assert min(size[NUE], size[NUMU]) / 2 < size[NUTAU] < 2 * max(size[NUE], size[NUMU])
    assert size[NC] < size[NUMU]


# -- another detector


def answered(shift, seed, events=60):
    return list(simulate(events, seed=seed, hits=120, response=Response.shifted(shift)))


def measured(events):
    """What can be seen of each event: numbers of hits, charge, width, noise; (n, features)."""
    rows = []
    for event in events:
        hits, planes = event.hits, event.hits["local_plane"]
        charge = [np.median(hits["integral"][planes == p]) if (planes == p).any() else 0 for p in range(3)]
        noise = len(hits["hit_id"]) - len(np.unique(event.edeps["hit_id"]))
        rows.append([len(planes), *charge, hits["rms"].mean(), noise / len(planes)])
    return np.array(rows)


def p_values(one, other):
    from scipy.stats import ks_2samp

    return [ks_2samp(a, b).pvalue for a, b in zip(one.T, other.T, strict=True)]


def test_no_shift_is_the_usual_detector_to_the_bit_and_its_distribution_at_other_seeds():
    assert Response.shifted(0) == NOMINAL
    usual, none = (list(simulate(3, seed=3, hits=150, **r)) for r in ({}, {"response": Response.shifted(0)}))
    assert all(same(one, other) for one, other in zip(usual, none, strict=True))
    assert min(p_values(measured(answered(0, seed=1)), measured(answered(0, seed=2)))) > 0.01


def test_a_shift_is_seen_in_charge_width_and_noise_and_grows():
    none, half, full = (measured(answered(shift, seed=1)) for shift in (0, 0.5, 1))
    for column, sign in {1: -1, 2: -1, 3: -1, 4: 1, 5: 1}.items():
        means = sign * np.array([m[:, column].mean() for m in (none, half, full)])
        assert means[0] < means[1] < means[2], column
        assert p_values(none, full)[column] < 1e-3


def test_the_particles_of_an_event_do_not_depend_on_the_detector():
    for one, other in zip(answered(0, seed=1, events=4), answered(1, seed=1, events=4), strict=True):
        for table in ("truth", "particles"):
            assert all(np.array_equal(getattr(one, table)[c], getattr(other, table)[c]) for c in getattr(one, table))


def test_charge_falls_with_the_drift_and_by_the_gain():
    near, far = (Response(attenuation=0.01).charge(np.ones(1), np.zeros(1), np.array([x]))[0] for x in (0.0, 100.0))
    assert (near, far) == pytest.approx((1.0, np.exp(-1)))
    position = np.column_stack([np.full(100, 50.0), np.zeros(100), 100 + PITCH * np.arange(100)])
    deposits = Deposits(np.ones(100, int), position, np.full(100, 2.0), np.full(100, 2.0))
    usual, (half, _) = read_out(rng(), deposits, 1.0)[0], read_out(rng(), deposits, 1.0, Response(gain=(1, 1, 0.5)))
    means = [hits.integral[hits.plane == 2].mean() for hits in (half, usual)]
    assert means[0] == pytest.approx(means[1] / 2, rel=0.03)


def test_dead_boards_see_nothing_in_any_event_and_stay_dead():
    wire = np.arange(200 * BOARD)
    few, many = (Response(dead=share).alive(2, wire) for share in (0.1, 0.4))
    assert (few.reshape(-1, BOARD).min(axis=1) == few.reshape(-1, BOARD).max(axis=1)).all()
    assert (few.mean(), many.mean()) == pytest.approx((0.9, 0.6), abs=0.1)
    assert not (many & ~few).any()
    blind = Response(dead=0.3, noise=0.2)
    for event in simulate(5, hits=3700, response=blind):
        assert blind.alive(event.hits["local_plane"], event.hits["local_wire"]).all()
        assert np.isin(event.edeps["hit_id"], event.hits["hit_id"]).all()
