"""datatrove's MinHash up to the rows that go, as its example runs it, with two workers."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from buckets import BANDS, ROWS, answer, arguments
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import ParquetReader
from loguru import logger


def main() -> None:
    logger.remove()
    files, work = arguments()
    config = MinhashConfig(n_grams=5, num_buckets=BANDS, hashes_per_bucket=ROWS)

    reader = ParquetReader(str(files[0].parent), text_key="spaced", id_key="id")
    signed, buckets, remove = (str(work / name) for name in ("signed", "buckets", "remove"))
    stages = [
        ([reader, MinhashDedupSignature(signed, config)], len(files)),
        ([MinhashDedupBuckets(signed, buckets, config=config)], BANDS),
        ([MinhashDedupCluster(buckets, remove, config)], 1),
    ]
    for number, (pipeline, tasks) in enumerate(stages):
        folder = str(work / f"log{number}")
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=2, logging_dir=folder).run()
    gone: list[int] = []
    for rank, file in enumerate(files):  # as many tasks as files: a task's rank is its file's place
        ids = pq.read_table(file, columns=["id"])["id"].to_numpy()
        rows = Path(remove, f"{rank:06d}.remove")
        gone += ids[np.fromfile(rows, "<u4")].tolist() if rows.exists() else []
    answer(gone, "datatrove", "spacy")


if __name__ == "__main__":
    main()
