"""How well near-duplicates are found: measured on planted ones, beside the run itself.

Copies with known similarity are made of documents that the run keeps, and the same steps look for
them among originals and copies. Nothing of this is written to the corpus.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..clusters import components
from ..minhash import MinHashSettings, band_hashes, signatures
from ..near import candidate_pairs, verified
from ..texts import Texts
from .duplicates import ROW_BITS, is_in, removed_by
from .settings import DedupSettings, plain
from .work import key_of, mapped, read_array, texts_of

ORIGINALS = 2000
"""Documents that are copied, for each kind of script."""
SAMPLE = 50_000
"""Documents among which the originals are looked for."""
TWINS = 5000
"""Removed documents that are compared with the one kept in their place."""
_SIMILAR = (0.5, 0.98)
_BYTES = (300, 30_000)
_TOKEN = re.compile("[\u3040-\u30ff\u3400-\u9fff]|[^\\W_\u3040-\u30ff\u3400-\u9fff]+")
_CHINESE = re.compile("[\u3400-\u9fff]")


@dataclass(frozen=True)
class AuditTask:
    """Plants, looks, and counts."""

    folder: str
    key: str
    parts: tuple[str, ...]
    exact: tuple[str, ...]
    clusters: str
    dedup: DedupSettings
    seed: int

    def run(self) -> dict[str, Any]:
        chinese, spaced = self._originals()
        return {
            "Chinese": _planted(chinese, self.dedup, self.seed),
            "spaced scripts": _planted(spaced, self.dedup, self.seed),
            "removed": self._twins(),
        }

    def _originals(self) -> tuple[list[str], list[str]]:
        """Texts that stay, of which nothing but the plants is a near-duplicate."""
        found: tuple[list[str], list[str]] = [], []
        for number in self._sample():
            table = mapped(Path(self.folder, f"{self.parts[number >> ROW_BITS]}.arrow"))
            text = table["text"][number & (1 << ROW_BITS) - 1].as_py()
            kind = found[0 if len(_CHINESE.findall(text)) * 5 > len(text) else 1]
            if len(kind) < ORIGINALS:
                kind.append(text)
            elif len(found[0]) == len(found[1]) == ORIGINALS:
                break
        return found

    def _sample(self) -> list[int]:
        """Numbers of documents that stay and are neither short nor long, drawn by their ids, so
        that they are the same whatever the parts are."""
        gone = removed_by(self.folder, [*self.exact, self.clusters])
        drawn, numbers = np.empty(0, np.uint64), np.empty(0, np.int64)
        for i, part in enumerate(self.parts):
            table = mapped(Path(self.folder, f"{part}.arrow"))
            sizes, number = texts_of(table).sizes, i << ROW_BITS | np.arange(table.num_rows)
            fits = (sizes >= _BYTES[0]) & (sizes <= _BYTES[1]) & ~is_in(number, gone)
            ids = table["id"].filter(pa.array(fits)).to_pylist()
            digests = b"".join(blake2b(name.encode(), digest_size=8).digest() for name in ids)
            drawn = np.concatenate([drawn, np.frombuffer(digests, "<u8")])
            numbers = np.concatenate([numbers, number[fits]])
            first = np.lexsort((numbers, drawn))[:SAMPLE]
            drawn, numbers = drawn[first], numbers[first]
        found: list[int] = numbers.tolist()
        return found

    def _twins(self) -> dict[str, Any]:
        """Of removed near-duplicates, how many are as similar to the document that is kept; the
        rest are similar to another of their cluster."""
        path = Path(self.folder, self.clusters)
        pairs = np.stack([read_array(path, "kept"), read_array(path, "removed")], axis=1)
        draw = random.Random(self.seed)
        if len(pairs) > TWINS:
            pairs = pairs[sorted(draw.sample(range(len(pairs)), TWINS))]
        numbers, texts = np.unique(pairs), list[str]()
        for i in np.unique(numbers >> ROW_BITS):
            rows = numbers[numbers >> ROW_BITS == i] & (1 << ROW_BITS) - 1
            table = mapped(Path(self.folder, f"{self.parts[i]}.arrow"))
            texts += table["text"].take(pa.array(rows)).to_pylist()
        among = {0: Texts.of_strings(texts)}
        similar = verified(np.searchsorted(numbers, pairs), among, self.dedup.minhash)
        return share(int((similar >= self.dedup.minhash.threshold).sum()), len(pairs))


def audit_task(
    folder: Path, parts: Sequence[str], exact: Sequence[str], clusters: str, dedup: DedupSettings
) -> AuditTask:
    """The one task."""
    key = key_of("audit", list(parts), list(exact), clusters, plain(dedup))
    return AuditTask(str(folder), key, tuple(parts), tuple(exact), clusters, dedup, 0)


def share(hits: int, n: int) -> dict[str, Any]:
    """A share with its 95% interval; None where there is nothing to share.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if not n:
        return {"frac": None, "n": 0}
    z, p = 1.96, hits / n
    centre, spread = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return {"frac": round(p, 6), "low": round(low, 6), "high": round(high, 6), "n": n}


def _planted(originals: list[str], dedup: DedupSettings, seed: int) -> dict[str, Any]:
    """Recall: of the plants at or above the threshold, those that are found. Precision: of the
    plants that are found, those at or above it."""
    draw, shape = random.Random(seed), dedup.minhash
    copies = [_copy(text, draw.uniform(*_SIMILAR), shape, draw) for text in originals]
    texts, n = Texts.of_strings(originals + copies), len(originals)
    planted = np.stack([np.arange(n), np.arange(n, 2 * n)], axis=1)
    true = verified(planted, {0: texts}, shape)
    hashes = band_hashes(signatures(texts, shape), shape.bands, shape.rows)
    pairs = candidate_pairs(hashes.ravel(), np.repeat(np.arange(2 * n), shape.bands))
    if dedup.verify:
        pairs = pairs[verified(pairs, {0: texts}, shape) >= shape.threshold]
    root = np.arange(2 * n)
    members, roots = components(pairs)
    root[members] = roots
    found, similar = root[planted[:, 0]] == root[planted[:, 1]], true >= shape.threshold
    return {
        "recall": share(int((found & similar).sum()), int(similar.sum())),
        "precision": share(int((found & similar).sum()), int(found.sum())),
    }


def _copy(text: str, similar: float, shape: MinHashSettings, draw: random.Random) -> str:
    """`text` with so many tokens replaced that about `similar` of the shingles are shared: each
    replaced token changes `size` shingles of either side."""
    tokens = list(_TOKEN.finditer(text))
    changed = round(len(tokens) * (1 - similar) / (1 + similar) / shape.size)
    out, last = [], 0
    for i in sorted(draw.sample(range(len(tokens)), min(changed, len(tokens)))):
        token = tokens[i]
        new = chr(draw.randrange(0x4E00, 0x9FA5)) if len(token[0]) == 1 else f"q{draw.random()}"
        out += [text[last : token.start()], new]
        last = token.end()
    return "".join([*out, text[last:]])
