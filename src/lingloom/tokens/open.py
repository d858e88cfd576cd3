"""A stored tokenizer, opened."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from ..errors import DataError
from ..settings import Kinds
from .extra import KEPT as EXTRA
from .extra import with_extra, without_extra
from .foreign import adopt
from .kinds import TOKENIZERS
from .tokenizer import Tokenizer, TokenizerSettings


class StoredSettings(TokenizerSettings):
    """A tokenizer that is there already: of an earlier run, or of a Hugging Face folder."""

    kind: Literal["stored"] = "stored"
    folder: str
    """Holds tokenizer.json: RUN/data, RUN/model, CORPUS/tokens, ..."""

    def train(self, texts: Iterable[str]) -> Tokenizer:
        """Nothing is learnt: `texts` are not read."""
        return open_tokenizer(self.folder)


def open_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer stored in `folder`.

    Raises:
        DataError: a file is missing, is not JSON, or is not what was written.
    """
    folder = Path(folder)
    text = _read(folder / "tokenizer.json")
    if not (folder / "tokens.json").exists():
        return adopt(folder, text)
    kept = _mapping(folder / "tokens.json", _read(folder / "tokens.json"))
    kind = kept.get("kind")
    if kind not in TOKENIZERS or kind == "stored":
        known = ", ".join(f"'{k}'" for k in TOKENIZERS if k != "stored")
        raise DataError(
            f"{folder / 'tokens.json'}: kind {kind!r} is not one of {known}; "
            "train the tokenizer again, or update this package if a newer one wrote it"
        )
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest != kept.get("sha256"):
        raise DataError(
            f"{folder / 'tokenizer.json'}: damaged or replaced: its SHA-256 is {digest[:12]}..., "
            f"{folder / 'tokens.json'} says {str(kept.get('sha256'))[:12]}...; restore the file, "
            "or train the tokenizer again"
        )
    settings = Kinds(TOKENIZERS).settings_class(kind)
    assert issubclass(settings, TokenizerSettings)
    library = without_extra(text, kept)
    opened = settings.opened(library, {**kept, "folder": str(folder)})
    return with_extra(opened, kept.get(EXTRA, ()))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; give a folder that holds a trained tokenizer"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); restore the file, or train the tokenizer again"
        ) from None


def _mapping(path: Path, text: str) -> dict[str, Any]:
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise DataError(
            f"{path}: not JSON ({error}); restore the file, or train the tokenizer again"
        ) from None
    if not isinstance(tree, dict):
        raise DataError(f"{path}: not a JSON object; restore the file")
    return tree
