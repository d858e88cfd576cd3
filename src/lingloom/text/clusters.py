"""Clusters of near-duplicates, and which document of each is kept."""

import ctypes
from typing import Literal

import numpy as np

from ..native.kernels import kernels
from .shingles import pointer

Keep = Literal["longest", "earliest", "best_source"]
"""Which document of a cluster stays: the longest; the one with the least uid; or the one from the
source that ranks first, and of several the longest. Ties go to the least uid."""


def components(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(members, roots), int64 (K,) each: the uids in `edges`, sorted, and the least of its cluster.

    Memory follows the edges, not the corpus.

    edges: int64 (M, 2), pairs of uids in any order.
    """
    members, places = np.unique(edges, return_inverse=True)
    numbered = np.ascontiguousarray(places.reshape(-1, 2), np.int64)
    roots, lib = np.arange(len(members), dtype=np.int64), kernels()
    if lib is None:
        return members, members[_twin_components(numbered.tolist(), len(members))]
    function = lib.lingloom_components
    function.restype = ctypes.c_int64
    done = function(
        pointer(numbered),
        ctypes.c_int64(len(numbered)),
        ctypes.c_int64(len(members)),
        pointer(roots),
    )
    assert done == 0
    return members, members[roots]


def _twin_components(edges: list[list[int]], nodes: int) -> list[int]:
    roots = list(range(nodes))

    def find(node: int) -> int:
        while roots[node] != node:
            roots[node] = roots[roots[node]]
            node = roots[node]
        return node

    for a, b in edges:
        low, high = sorted((find(a), find(b)))
        roots[high] = low
    return [find(node) for node in range(nodes)]


def removed(
    members: np.ndarray,
    roots: np.ndarray,
    keep: Keep,
    sizes: np.ndarray,
    source_ranks: np.ndarray,
) -> np.ndarray:
    """int64, sorted: the uids that go, all but one of each cluster.

    Args:
        members: uids, as `components` gives them.
        roots: the cluster of each.
        keep: the rule.
        sizes: (K,) the length of each member, in whatever unit; only 'earliest' does not look.
        source_ranks: (K,) where the source of each member ranks, 0 first; for 'best_source'.
    """
    ranks = {
        "earliest": (members,),
        "longest": (members, -sizes),
        "best_source": (members, -sizes, source_ranks),
    }[keep]
    order = np.lexsort((*ranks, roots))
    first = np.ones(len(order), bool)
    first[1:] = roots[order][1:] != roots[order][:-1]
    return np.sort(members[order[~first]])
