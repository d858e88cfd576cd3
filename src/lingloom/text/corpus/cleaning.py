"""Stage 2: each part made regular, judged by the rules of quality, and hashed for what follows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from ..clean import CleanSettings, clean_all, too_short
from ..dedup import digest
from ..filters.batch import TextBatch
from ..filters.filter import FilterSettings, sift
from ..minhash import NOWHERE, band_hashes, signatures
from ..split import mixed, shares_of
from ..texts import Texts
from .dropped import write_dropped
from .reading import SCHEMA, require_seen
from .settings import CorpusSettings, DedupSettings, SplitSettings, plain
from .work import key_of, mapped, texts_of, write_arrays, write_batches

_BLANKS = bytes(c for c in range(128) if chr(c).isspace())
SPLITS = ("validation", "test", "train")
KEPT = pa.schema(
    [
        *SCHEMA,
        ("language", pa.large_string()),
        ("rank", pa.int64()),
        ("split", pa.int8()),
        ("copies", pa.int64()),
    ]
)
"""Columns of a document that is kept: `language` is null where no rule asked for it; of a cluster
the smallest `rank` stays; `split` counts in SPLITS; `copies` are read in an epoch."""


@dataclass(frozen=True)
class CleanTask:
    """One part. Writes KEY.arrow (kept), KEY.dropped.arrow, and arrays sorted by hash: `exact`
    (high, low, row) and `band` with `band_row`."""

    folder: str
    key: str
    part: str
    clean: CleanSettings
    filters: tuple[FilterSettings, ...]
    dedup: DedupSettings
    split: SplitSettings
    split_seed: int
    weights: Mapping[str, float]
    seed: int

    def run(self) -> dict[str, Any]:
        for path in (path for rules in self.filters for path in rules.files_read()):
            require_seen(str(path), path)
        table = mapped(Path(self.folder, self.part))
        counts: Counter[str] = Counter()
        texts = clean_all(table["text"].to_pylist(), self.clean, counts)
        short = [too_short(text, self.clean) for text in texts]
        urls = table["url"].to_pylist()
        batch = TextBatch(Texts.of_strings(texts), urls, table["source"].to_pylist())
        sifted = sift(self.filters, batch)
        reasons = [a or b for a, b in zip(short, sifted.verdicts, strict=True)]
        table = table.set_column(SCHEMA.get_field_index("text"), "text", _column_of(sifted.texts))
        split, copies = self._split_and_copies(table)
        # Before duplicates are looked for: else one that stays could be one that is not sampled.
        reasons = [
            reason or (None if n else "weight of the source")
            for reason, n in zip(reasons, copies.tolist(), strict=True)
        ]
        keep = np.array([reason is None for reason in reasons], bool)
        languages = sifted.languages or pa.nulls(len(keep), pa.large_string())
        table = table.append_column("language", pa.array(languages, pa.large_string()))
        kept, path = table.filter(pa.array(keep)), Path(self.folder, self.key)
        for name, column in (
            ("rank", _ranks(kept, self.dedup)),
            ("split", split[keep].astype(np.int8)),
            ("copies", copies[keep]),
        ):
            kept = kept.append_column(name, pa.array(column))
        sizes = texts_of(kept).sizes
        write_batches(path.with_suffix(".arrow"), [kept], KEPT)
        gone, why = table.filter(pa.array(~keep)), [r for r in reasons if r]
        write_dropped(self.folder, self.key, gone, why, [None] * len(why))
        self._write_hashes(path, kept)
        return {
            "file": f"{self.key}.arrow",
            "documents": kept.num_rows,
            "bytes": int(sizes.sum()),
            "split_bytes": {
                name: int((sizes * copies[keep])[split[keep] == i].sum())
                for i, name in enumerate(SPLITS)
            },
            "dropped": counts_of(gone, why),
            "masked": dict(counts),
        }

    def _split_and_copies(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Of each row its split and how many copies an epoch reads; what is held out, once."""
        held = self.split.validation_frac, self.split.test_frac
        share = shares_of([digest(t) for t in table["text"].to_pylist()], self.split_seed)
        split = np.where(share < held[0], 0, np.where(share < sum(held), 1, 2))
        of = {s: weight_of(s, self.weights) for s in table["source"].unique().to_pylist()}
        weights = np.array([of[s] for s in table["source"].to_pylist()], float)
        chance = mixed(drawn_by(table["id"].to_pylist(), self.seed)) / 2.0**64
        copies = np.floor(weights).astype(int) + (chance < weights % 1)
        return split, np.where((split < 2) & (weights > 0), 1, copies)

    def _write_hashes(self, path: Path, kept: pa.Table) -> None:
        if self.dedup.exact:
            digests = np.array([_digest(t) for t in kept["text"].to_pylist()], "S16")
            halves = np.frombuffer(digests.tobytes(), ">u8").reshape(-1, 2).astype(np.uint64)
            order = np.lexsort((halves[:, 1], halves[:, 0]))
            rows = order.astype(np.uint32)
            write_arrays(path, high=halves[order, 0], low=halves[order, 1], row=rows)
        if self.dedup.near:
            shape = self.dedup.minhash
            hashes = band_hashes(signatures(texts_of(kept), shape), shape.bands, shape.rows)
            rows = np.repeat(np.arange(len(hashes), dtype=np.uint32), shape.bands)
            hashes, rows = (a[hashes.ravel() != NOWHERE] for a in (hashes.ravel(), rows))
            order = np.argsort(hashes, kind="stable")
            write_arrays(path, band=hashes[order], band_row=rows[order])


def clean_tasks(settings: CorpusSettings, folder: Path, parts: list[str]) -> list[CleanTask]:
    """One task for each part that was read."""
    dedup, filters = settings.dedup, cast(tuple[FilterSettings, ...], tuple(settings.filters))
    shown = [
        plain(settings.text.clean),
        [
            [plain(f), [blake2b(p.read_bytes()).hexdigest() for p in f.files_read()]]
            for f in filters
        ],
        [dedup.exact, dedup.near, plain(dedup.minhash), dedup.keep, dedup.sources],
        [plain(settings.split), settings.text.split_seed, settings.weights, settings.seed],
    ]
    located = tuple(rules.located() for rules in filters)
    return [
        CleanTask(
            str(folder),
            key_of("clean", part, shown),
            part,
            settings.text.clean,
            located,
            dedup,
            settings.split,
            settings.text.split_seed,
            settings.weights,
            settings.seed,
        )
        for part in parts
    ]


def weight_of(source: str, weights: Mapping[str, float]) -> float:
    """The weight of the first pattern that `source` matches; 1 if there is none."""
    return next((w for pattern, w in weights.items() if fnmatchcase(source, pattern)), 1.0)


def drawn_by(ids: Sequence[str], seed: int) -> np.ndarray:
    """A number of 64 bits from each document's id and the seed."""
    salt = seed.to_bytes(8, "little", signed=True)
    raws = (blake2b(i.encode(), digest_size=8, key=salt).digest() for i in ids)
    return np.frombuffer(b"".join(raws), "<u8")


def _digest(text: str) -> bytes:
    """Stands for the text but for case and white space."""
    if text.isascii():
        bare = text.encode().lower().translate(None, _BLANKS)  # the same, a few times as fast
    else:
        bare = "".join(text.lower().split()).encode()
    return blake2b(bare, digest_size=16).digest()


def _ranks(kept: pa.Table, dedup: DedupSettings) -> np.ndarray:
    """Of each document how far it is from the one to keep; the smallest stays."""
    if dedup.keep == "earliest":
        return np.zeros(kept.num_rows, np.int64)
    longest: np.ndarray = -texts_of(kept).sizes
    if dedup.keep == "longest":
        return longest
    place: dict[str, int] = {}
    for source in kept["source"].unique().to_pylist():
        matches = (i for i, p in enumerate(dedup.sources) if fnmatchcase(source, p))
        place[source] = next(matches, len(dedup.sources))
    return np.array([place[s] << 40 for s in kept["source"].to_pylist()], np.int64) + longest


def counts_of(table: pa.Table, names: Sequence[str | None]) -> dict[str, dict[str, list[int]]]:
    """Source -> name -> [documents, bytes], of names such as reasons or languages, one for each
    document; None counts nowhere."""
    sizes = texts_of(table).sizes.tolist()
    found: dict[str, dict[str, list[int]]] = {}
    for source, name, size in zip(table["source"].to_pylist(), names, sizes, strict=True):
        if name is not None:
            entry = found.setdefault(source, {}).setdefault(name, [0, 0])
            entry[0] += 1
            entry[1] += size
    return found


def length_histogram(texts: Texts) -> list[int]:
    """Documents with 2^i to 2^(i+1) - 1 bytes, at index i; empty ones count at 0."""
    if not len(texts):
        return []
    return np.bincount(np.log2(np.maximum(texts.sizes, 1)).astype(int)).tolist()


def _column_of(texts: Texts) -> pa.Array:
    offsets, data = pa.py_buffer(np.ascontiguousarray(texts.offsets)), pa.py_buffer(texts.data)
    return pa.LargeStringArray.from_buffers(len(texts), offsets, data)
