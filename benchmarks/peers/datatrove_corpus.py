"""A corpus as datatrove's examples make it: ftfy to NFC, short documents, MinHash, token files."""

import json
import string
import sys
from importlib import metadata
from pathlib import Path

from buckets import BANDS, ROWS, arguments
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.formatters import FTFYFormatter
from datatrove.pipeline.readers import JsonlReader, ParquetReader
from datatrove.pipeline.tokens import DocumentTokenizer, DocumentTokenizerMerger
from datatrove.pipeline.writers import JsonlWriter
from loguru import logger

GONE = str.maketrans("", "", string.punctuation)


def long_enough(document) -> bool:
    """SlimPajama's rule."""
    return len(" ".join(document.text.lower().translate(GONE).split())) >= 200


def main() -> None:
    logger.remove()
    files, work = arguments()
    config = MinhashConfig(n_grams=5, num_buckets=BANDS, hashes_per_bucket=ROWS)
    names = ("cleaned", "signed", "buckets", "remove", "tokens", "merged")
    cleaned, signed, buckets, remove, tokens, merged = (str(work / name) for name in names)
    tokenizer = str(files[0].parent / "tokenizer" / "tokenizer.json")
    reader = ParquetReader(
        str(files[0].parent), text_key="text", id_key="id", glob_pattern="*.parquet"
    )
    again = JsonlReader(cleaned)
    stages = [
        (
            [
                reader,
                FTFYFormatter(normalization="NFC"),
                LambdaFilter(long_enough),
                JsonlWriter(cleaned),
            ],
            len(files),
        ),
        ([again, MinhashDedupSignature(signed, config)], len(files)),
        ([MinhashDedupBuckets(signed, buckets, config=config)], BANDS),
        ([MinhashDedupCluster(buckets, remove, config)], 1),
        (
            [
                again,
                MinhashDedupFilter(remove),
                DocumentTokenizer(tokens, tokenizer, eos_token="<|end|>", seed=1),
            ],
            len(files),
        ),
        ([DocumentTokenizerMerger(tokens, merged, save_filename="corpus", seed=1)], 1),
    ]
    for number, (pipeline, tasks) in enumerate(stages):
        folder = str(work / f"log{number}")
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=2, logging_dir=folder).run()
    ids = sum(path.stat().st_size for path in Path(merged).glob("*.ds"))
    versions = f"datatrove {metadata.version('datatrove')}"
    json.dump({"tokens": ids // 2, "versions": versions}, sys.stdout)


if __name__ == "__main__":
    main()
