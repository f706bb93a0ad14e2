"""Random graphs, as a graph network gets them."""

import torch

from src.graphs import Graphs, GraphSchema, Plane
from src.task import Task

SCHEMA = GraphSchema(("u", "v", "y"), 4, ("MIP", "HIP", "shower"), vertex=True)


def graph_task(schema=SCHEMA, classes=4):
    return Task(tuple(str(c) for c in range(classes)), ("all",), "graph", (), graph=schema)


def graphs(size, schema=SCHEMA, hits=9, points=5, seed=0):
    """`size` graphs of `hits` to twice as many hits in each plane, of numbers in (0, 1), and `points` space points."""
    random = torch.Generator().manual_seed(seed)
    of_point = torch.arange(size).repeat_interleave(points)
    planes = {name: _plane(size, schema, hits, points, random) for name in schema.planes}
    vertex = torch.rand(size, 3, generator=random) if schema.vertex else None
    return Graphs(planes, of_point, size, vertex)


def _plane(size, schema, hits, points, random):
    counts = torch.randint(hits, 2 * hits + 1, (size,), generator=random)
    graph = torch.arange(size).repeat_interleave(counts)
    first = (counts.cumsum(0) - counts)[graph]
    source = torch.arange(len(graph)).repeat(3)
    target = first.repeat(3) + (torch.rand(3 * len(graph), generator=random) * counts[graph].repeat(3)).long()
    linked = torch.arange(size).repeat_interleave(points)
    hit = (counts.cumsum(0) - counts)[linked] + (torch.rand(len(linked), generator=random) * counts[linked]).long()
    return Plane(
        x=torch.rand(len(graph), schema.features, generator=random),
        graph=graph,
        edges=torch.stack([source, target]),
        links=torch.stack([hit, torch.arange(len(linked))]),
        semantic=torch.randint(-1, max(1, len(schema.semantic_classes)), (len(graph),), generator=random),
    )


def only(x, number):
    """One graph of a batch, as a batch of its own."""
    point = x.points == number
    planes = {}
    for name, plane in x.planes.items():
        hit = plane.graph == number
        edges, links = plane.edges[:, hit[plane.edges[1]]], plane.links[:, point[plane.links[1]]]
        hits_before, points_before = int((plane.graph < number).sum()), int((x.points < number).sum())
        planes[name] = Plane(
            x=plane.x[hit],
            graph=plane.graph[hit] - number,
            edges=edges - hits_before,
            links=links - torch.tensor([[hits_before], [points_before]]),
            semantic=plane.semantic[hit],
        )
    vertex = None if x.vertex is None else x.vertex[number : number + 1]
    return Graphs(planes, x.points[point] - number, 1, vertex)
