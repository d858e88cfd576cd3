"""Daft's minhash of runs of five words on all cores, then a group-by of the bands."""

import daft
import numpy as np
from buckets import BANDS, ROWS, answer, arguments, grouped
from daft import col


def main() -> None:
    files, _ = arguments()
    frame = daft.read_parquet([str(file) for file in files])
    words = col("spaced").lower().regexp_replace(r"[^\w]+", " ")
    hashes = words.minhash(num_hashes=BANDS * ROWS, ngram_size=5)
    table = frame.select(col("id"), hashes.alias("hashes")).to_arrow()
    column = table["hashes"].combine_chunks()
    signatures = column.flatten().to_numpy().reshape(-1, BANDS * ROWS)
    answer(grouped(table["id"].to_numpy(), np.ascontiguousarray(signatures)), "daft")


if __name__ == "__main__":
    main()
