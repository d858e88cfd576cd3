"""What the near-duplicate runners share: how they are called, and the group-by that peers lack."""

import json
import sys
from importlib import metadata
from pathlib import Path

import numpy as np

BANDS, ROWS = 20, 7


def arguments() -> tuple[list[Path], Path]:
    """(the parquet files, the folder to work in), from the command line."""
    return sorted(Path(sys.argv[1]).glob("*.parquet")), Path(sys.argv[2])


def answer(removed, *packages: str) -> None:
    """The ids that are removed and the versions, on standard output."""
    versions = " ".join(f"{p} {metadata.version(p)}" for p in packages)
    json.dump({"removed": sorted(map(int, removed)), "versions": versions}, sys.stdout)


def grouped(ids: np.ndarray, signatures: np.ndarray) -> np.ndarray:
    """The ids that go when texts that share a band are joined and the first of each group stays."""
    roots = np.arange(len(ids))

    def find(i):
        while roots[i] != i:
            roots[i] = roots[roots[i]]
            i = roots[i]
        return i

    for band in range(BANDS):
        keys = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS])
        keys = keys.view(f"V{keys.itemsize * ROWS}").ravel()
        order = np.argsort(keys, kind="stable")
        same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
        for i in same.tolist():
            a, b = sorted((find(int(order[i])), find(int(order[i + 1]))))
            roots[b] = a
    return ids[[find(i) != i for i in range(len(ids))]]
