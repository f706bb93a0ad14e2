"""Small graphs, as files hold them, and the file of the reference implementation."""

from pathlib import Path

import numpy as np

from src.datasets.nugraph_files import read_graphs, read_header
from src.datasets.nugraph_graph import RawGraph, RawPlane

TOY = Path(__file__).parents[1] / "reference" / "nugraph" / "toy.gnn.h5"
PLANES = ("u", "v", "y")
SEMANTIC = ("MIP", "HIP", "shower", "michel", "diffuse")
EVENTS = ("cc_nue", "cc_numu", "cc_nutau", "nc")


def toy():
    """The 40 graphs of the reference's file, in the order in which HDF5 lists them."""
    return list(read_graphs(read_header(TOY)))


def raw_plane(rng, n, points, features=2):
    count = 3 * n
    return RawPlane(
        pos=rng.normal(size=(n, 2)).astype(np.float32), x=rng.normal(5, 2, (n, features)).astype(np.float32),
        id=rng.permutation(n), semantic=rng.integers(-1, len(SEMANTIC), n), instance=rng.integers(-1, 9, n),
        edges=rng.integers(0, max(n, 1), (2, count)),
        links=np.stack([rng.integers(0, max(n, 1), n * bool(points)), rng.integers(0, max(points, 1), n * bool(points))]),
    )  # fmt: skip


def raw_graph(number=0, hits=(5, 7, 4), points=6, label=0, features=2, run=1):
    rng = np.random.default_rng([number, *hits])
    planes = {name: raw_plane(rng, n, points, features) for name, n in zip(PLANES, hits, strict=True)}
    vertex = rng.normal(size=3).astype(np.float32)
    return RawGraph(run, 0, number, planes, points, label, vertex)


def equal(a, b):
    """Whether two graphs hold the same, to the bit."""
    same = (a.name, a.points, a.label) == (b.name, b.points, b.label) and np.array_equal(a.vertex, b.vertex)
    fields = ("pos", "x", "id", "semantic", "instance", "edges", "links")
    return same and all(
        np.array_equal(getattr(a.planes[p], f), getattr(b.planes[p], f)) for p in PLANES for f in fields
    )
