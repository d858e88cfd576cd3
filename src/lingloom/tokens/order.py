"""A shuffled order that is computed, not stored: any place of it at any time.

A Feistel network permutes the numbers below a power of two whatever its round function; numbers
that land outside the wanted range are sent through again until they land inside ("cycle walking"),
which keeps it a permutation.

Source: Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains", sections 3 and 4.
"""

import numpy as np

_ROUNDS = 6
_MASK = (1 << 64) - 1


def permute(index: np.ndarray, n: int, key: int) -> np.ndarray:
    """Where each index goes under the permutation of range(n) that `key` chooses; int64.

    Args:
        index: any shape, values in 0..n-1.
        n: 1 or more, below 2**62.
        key: any integer; its low 64 bits count.
    """
    bits = max(2, (n - 1).bit_length())
    low = bits // 2
    secrets = [np.uint64(draw(1 << 64, key, turn)) for turn in range(_ROUNDS)]
    out = _network(np.asarray(index, dtype=np.uint64), bits - low, low, secrets)
    outside = np.flatnonzero(out.ravel() >= n)
    flat = out.reshape(-1)
    while outside.size:
        flat[outside] = _network(flat[outside], bits - low, low, secrets)
        outside = outside[flat[outside] >= n]
    return out.astype(np.int64)


def draw(limit: int, *keys: int) -> int:
    """A number in range(limit) that `keys` alone decide."""
    state = np.zeros(1, dtype=np.uint64)
    for key in keys:
        state = _scramble(state + np.uint64(key & _MASK))
    return int(state[0]) % limit


def numbers(count: int, key: int) -> np.ndarray:
    """`count` numbers below 2**64 that `key` alone decides, (count,) uint64; all equally likely."""
    return _scramble(np.arange(count, dtype=np.uint64) + np.uint64(draw(1 << 64, key)))


def draw_each(index: np.ndarray, *keys: int) -> np.ndarray:
    """For each index a number in 0..2**64-1 that it and `keys` alone decide; uint64, any shape."""
    state = np.uint64(draw(1 << 64, *keys))
    return _scramble(_scramble(np.asarray(index, dtype=np.uint64) + state))


def _network(x: np.ndarray, high: int, low: int, secrets: list[np.uint64]) -> np.ndarray:
    """One pass; the halves have `high` and `low` bits and change places each round."""
    left, right = x >> np.uint64(low), x & np.uint64((1 << low) - 1)
    for secret in secrets:
        mixed = _scramble(right + secret) & np.uint64((1 << high) - 1)
        left, right = right, left ^ mixed
        high, low = low, high
    return (left << np.uint64(low)) | right


def _scramble(x: np.ndarray) -> np.ndarray:
    """Every bit of the result depends on every bit of `x` (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
