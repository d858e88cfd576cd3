"""datatrove's four stages of MinHash, as its example runs them, with two workers."""

import logging
import sys

import pyarrow.parquet as pq
from buckets import BANDS, ROWS, answer, arguments
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import JsonlWriter


def main() -> None:
    from loguru import logger

    logger.remove()
    logging.disable()
    files, work = arguments()
    config = MinhashConfig(n_grams=5, num_buckets=BANDS, hashes_per_bucket=ROWS)

    def reader() -> ParquetReader:
        return ParquetReader(str(files[0].parent), text_key="spaced", id_key="id")

    signed, buckets, remove = (str(work / name) for name in ("signed", "buckets", "remove"))
    kept = JsonlWriter(str(work / "kept"), compression=None)
    stages = [
        ([reader(), MinhashDedupSignature(signed, config)], len(files)),
        ([MinhashDedupBuckets(signed, buckets, config=config)], BANDS),
        ([MinhashDedupCluster(buckets, remove, config)], 1),
        ([reader(), MinhashDedupFilter(remove), kept], len(files)),
    ]
    for number, (pipeline, tasks) in enumerate(stages):
        folder = str(work / f"log{number}")
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=2, logging_dir=folder).run()
    import json

    stayed = set()
    for file in (work / "kept").iterdir():
        stayed |= {int(json.loads(line)["id"]) for line in file.read_text("utf-8").splitlines()}
    ids = [i for file in files for i in pq.read_table(file, columns=["id"])["id"].to_pylist()]
    answer([i for i in ids if i not in stayed], "datatrove", "spacy")


if __name__ == "__main__":
    sys.exit(main())
