"""Huffman's tree over words: frequent words lie near the root, so their paths are short.

Source: Huffman 1952; as the output layer of a language model: Morin and Bengio 2005; over word
counts: Mikolov et al. 2013 (Efficient Estimation of Word Representations), section 3.
"""

import heapq

import numpy as np


def huffman_paths(counts: np.ndarray) -> np.ndarray:
    """The path from the root to each word, (V, L) int32, padded with 0 on the right.

    n or -n at a step stands for inner node n - 1 and for the branch taken there: n leads to the
    part that was lighter when the two were joined, -n to the other. Inner nodes are numbered in the
    order in which they were joined, so the root is V - 2. Equal weights are joined in the order of
    ids, words before inner nodes.

    Args:
        counts: (V,) how often each word is there; a word that never is counts as there once.
    """
    vocab = len(counts)
    weights = np.maximum(counts, 1).tolist()
    heap = [(weight, i) for i, weight in enumerate(weights)]
    heapq.heapify(heap)
    above = np.zeros(2 * vocab - 1, dtype=np.int64)
    step = np.zeros(2 * vocab - 1, dtype=np.int32)
    for node in range(vocab - 1):
        (light, a), (heavy, b) = heapq.heappop(heap), heapq.heappop(heap)
        above[a] = above[b] = vocab + node
        step[a], step[b] = node + 1, -(node + 1)
        heapq.heappush(heap, (light + heavy, vocab + node))
    return _down(above, step, vocab)


def _down(above: np.ndarray, step: np.ndarray, vocab: int) -> np.ndarray:
    """Walk up from all words at once, and turn each walk round."""
    root, at = 2 * vocab - 2, np.arange(vocab)
    walks = []
    while (at < root).any():
        walks.append(np.where(at < root, step[at], 0))
        at = np.where(at < root, above[at], at)
    up = np.array(walks, dtype=np.int32).reshape(len(walks), vocab).T  # (V, L), root last
    lengths = (up != 0).sum(axis=1)
    column = lengths[:, None] - 1 - np.arange(up.shape[1])
    taken = np.take_along_axis(up, np.maximum(column, 0), axis=1)
    return np.where(column >= 0, taken, 0).astype(np.int32)
