"""A finished corpus, to be read."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import DataError, RecipeError
from ..document import Document
from ..places import on_disk
from ..read import TextSettings
from .manifest import FORMAT, MANIFEST, WORK

_ROWS = 256
_OF_FILES = ("format", "field", "encoding", "unit", "max_chars", "max_expansion")
"""Keys of `text` that say how files of one format are read, as a recipe for any text may hold."""


class Corpus:
    """What `lingloom clean` made.

    Raises:
        DataError: the folder holds no corpus, or one that is not finished.
    """

    def __init__(self, folder: str | Path, manifest: dict[str, Any] | None = None):
        """`manifest`: where it is known already, before it is written."""
        self.folder = Path(folder)
        self.manifest = manifest or _manifest(self.folder)
        files = [file["path"] for file in self.manifest["files"]]
        gone = [path for path in files if not (self.folder / path).is_file()]
        if gone:
            raise DataError(
                f"{self.folder}: {len(gone)} of its {len(files)} files are missing, such as "
                f"{gone[0]}; put them back, or make the corpus again"
            )

    @property
    def splits(self) -> list[str]:
        """The splits that hold documents."""
        return [name for name, kept in self.manifest["kept"].items() if kept["documents"]]

    def kept_bytes(self, split: str) -> int:
        """Bytes of text in a split, repeated documents counted each time."""
        return int(self.manifest["kept"][split]["bytes"])

    def documents(self, split: str) -> Iterator[Document]:
        """The documents of one split, in order; those of weighted sources as often as they come."""
        for file in self.manifest["files"]:
            if file["path"].startswith(f"{split}/"):
                yield from _documents(self.folder / file["path"])

    def dropped(self) -> Iterator[dict[str, Any]]:
        """id, source, reason, of and text of every document that was left out."""
        for path in sorted((self.folder / "dropped").glob("*.parquet")):
            yield from _rows(path)


def corpus_of(settings: TextSettings) -> Corpus | None:
    """The corpus that `text.read` names; None if it names raw text.

    Raises:
        RecipeError: other text is given with it, or a key that would clean or split it.
        DataError: as Corpus.
    """
    folders = corpora_among(settings.entries)
    for key, entries in (
        ("heldout", settings.heldout_entries),
        ("validation", settings.validation_entries),
    ):
        if apart := corpora_among(entries):
            raise RecipeError(
                f"text.{key}: '{apart[0]}' is a cleaned corpus with splits of its own; name it in "
                f"text.read, or name files of it here, as in {apart[0]}/test/*.parquet"
            )
    if not folders:
        return None
    (folder, *others) = settings.entries
    if others:
        raise RecipeError(
            f"text.read: '{folders[0]}' is a cleaned corpus and is read by itself; to add other "
            "text, name it in the corpus's own recipe and make the corpus again"
        )
    default = TextSettings(read=settings.read)
    for name in TextSettings.model_fields:
        if name not in _OF_FILES and getattr(settings, name) != getattr(default, name):
            raise RecipeError(
                f"text.{name}: has no effect on '{folder}', which was cleaned and split when it "
                "was made; set it in the corpus's own recipe, or leave it out"
            )
    return Corpus(on_disk(folder))


def corpora_among(entries: Sequence[str]) -> list[str]:
    """Those of `entries` that are folders of corpora, finished or not."""
    return [entry for entry in entries if _is_corpus(on_disk(entry))]


def _is_corpus(folder: Path) -> bool:
    return (folder / "recipe.yaml").is_file() and (
        (folder / MANIFEST).is_file() or (folder / WORK).is_dir()
    )


def _documents(path: Path) -> Iterator[Document]:
    for row in _rows(path):
        meta = {"url": row["url"]} if row["url"] else {}
        yield Document(row["text"], row["id"], row["source"], meta)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for batch in pq.ParquetFile(path).iter_batches(_ROWS):
            yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: missing or damaged ({error}); make the corpus again") from None


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads((folder / MANIFEST).read_text("utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{folder}: no finished corpus (no {MANIFEST}); make it, or go on with it: "
            "lingloom clean RECIPE"
        ) from None
    except ValueError as error:
        raise DataError(f"{folder / MANIFEST}: damaged ({error}); make the corpus again") from None
    version = found.get("format") if isinstance(found, dict) else None
    if version != FORMAT:
        raise DataError(
            f"{folder / MANIFEST}: of another version ({version}, this one reads "
            f"{FORMAT}); make the corpus again"
        )
    whole: dict[str, Any] = found
    return whole
