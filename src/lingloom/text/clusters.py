"""Clusters of near-duplicates, and which document of each is kept."""

import ctypes

import numpy as np

from ..native.kernels import kernels
from .shingles import pointer


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


def kept(members: np.ndarray, roots: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """int64 (K,): for each member the uid that stays of its cluster, itself or another.

    The one of the least rank (minus its length, where the longest stays), and of several the least
    uid.

    Args:
        members: uids, as `components` gives them.
        roots: the cluster of each.
        ranks: (K,) numbers, one for each member.
    """
    order = np.lexsort((members, ranks, roots))
    fresh = np.ones(len(order), bool)
    fresh[1:] = roots[order][1:] != roots[order][:-1]
    stays = np.empty_like(members)
    stays[order] = members[order][fresh][np.cumsum(fresh) - 1]
    return stays
