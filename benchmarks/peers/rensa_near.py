"""rensa's signatures of runs of five words, by two processes, then a group-by of the bands."""

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pyarrow.parquet as pq
from buckets import BANDS, ROWS, answer, arguments, grouped
from rensa import RMinHash

WORD = re.compile(r"\w+")
FILES, _ = arguments()


def hashed(part: int) -> tuple[np.ndarray, np.ndarray]:
    table = pq.read_table(FILES[part], columns=["id", "spaced"])
    sets = []
    for text in table["spaced"].to_pylist():
        words = WORD.findall(text.lower())
        runs = zip(*(words[i:] for i in range(5)), strict=False)
        sets.append([" ".join(run) for run in runs] or [" ".join(words)])
    digests = RMinHash.digests_from_token_sets(sets, BANDS * ROWS, 1)
    return table["id"].to_numpy(), np.array(digests, np.uint64)


def main() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        found = list(pool.map(hashed, range(len(FILES))))
    ids, signatures = (np.concatenate([some[k] for some in found]) for k in (0, 1))
    answer(grouped(ids, signatures), "rensa")


if __name__ == "__main__":
    main()
