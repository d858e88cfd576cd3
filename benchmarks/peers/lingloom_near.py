"""Our near-duplicate removal, verified, by two processes over the parts."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from buckets import answer, arguments

from lingloom.text.clusters import components, kept
from lingloom.text.minhash import MinHashSettings, band_hashes, signatures
from lingloom.text.near import candidate_pairs, verified
from lingloom.text.texts import Texts

SETTINGS = MinHashSettings()
FILES, WORK = arguments()


def hashed(part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = pq.read_table(FILES[part], columns=["id", "text"])
    with pa.OSFile(str(WORK / f"{part}.arrow"), "wb") as file:
        table = table.cast(pa.schema([("id", pa.int64()), ("text", pa.large_string())]))
        table = table.combine_chunks()
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    texts = Texts.of_column(table["text"])
    return (
        table["id"].to_numpy(),
        texts.sizes,
        band_hashes(signatures(texts, SETTINGS), SETTINGS.bands, SETTINGS.rows),
    )


def compared(pairs: np.ndarray) -> np.ndarray:
    parts = {}
    for part in np.unique(pairs >> 32).tolist():
        table = pa.ipc.open_file(pa.memory_map(str(WORK / f"{part}.arrow"))).read_all()
        parts[part] = Texts.of_column(table["text"])
    return verified(pairs, parts, SETTINGS) >= SETTINGS.threshold


def main() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        found = list(pool.map(hashed, range(len(FILES))))
        ids = np.concatenate([some for some, _, _ in found])
        sizes = np.concatenate([some for _, some, _ in found])
        hashes = np.concatenate([some for _, _, some in found])
        uids = np.concatenate([(i << 32) + np.arange(len(f[0])) for i, f in enumerate(found)])
        pairs = candidate_pairs(hashes.ravel(), np.repeat(uids, SETTINGS.bands))
        near = np.concatenate(list(pool.map(compared, np.array_split(pairs, 4))))
    members, roots = components(pairs[near])
    places = np.searchsorted(uids, members)
    gone = kept(members, roots, -sizes[places]) != members
    answer(ids[places[gone]], "lingloom", "numpy", "pyarrow")


if __name__ == "__main__":
    main()
