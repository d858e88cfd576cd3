"""Tokenizers that others trained: a Hugging Face folder without our `tokens.json`.

Read are byte-level BPE (GPT-2, Llama 3, Qwen, RoBERTa and kin) and the WordPiece of BERT.
"""

import json
from pathlib import Path
from typing import Any

import tokenizers

from ..errors import DataError
from .bytelevel import BPETokenizer, same_ids, split_words
from .library import LibraryTokenizer
from .subwords import CONTINUES, WordPieceTokenizer
from .tokenizer import END

ENDS = (END, "<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[SEP]")
"""Names of the token that ends a document: ours, then those under which others keep it."""


def adopt(folder: Path, text: str) -> LibraryTokenizer:
    """The tokenizer in `folder`.

    Args:
        folder: where `tokenizer.json` is, and perhaps `tokenizer_config.json`.
        text: what `tokenizer.json` holds.

    Raises:
        DataError: it is not JSON, of no kind that is read, or has no token that ends a document.
    """
    path = folder / "tokenizer.json"
    tree = _tree(path, text)
    parts = json.dumps([tree.get("pre_tokenizer"), tree.get("decoder")])
    model = tree.get("model")
    if isinstance(model, dict) and "merges" in model and '"ByteLevel"' in parts:
        return _adopt_bpe(folder, tree, tokenizers.Tokenizer.from_str(text))
    if (
        isinstance(model, dict)
        and model.get("type") == "WordPiece"
        and model.get("continuing_subword_prefix") == CONTINUES
        and tree.get("pre_tokenizer") == {"type": "BertPreTokenizer"}
    ):
        library = tokenizers.Tokenizer.from_str(text)
        library.no_truncation()  # what is too long is told, and rows are padded by whoever reads
        library.no_padding()
        return WordPieceTokenizer(library, _end(folder, library), str(model["unk_token"]))
    raise DataError(
        f"{path}: neither byte-level BPE nor BERT's WordPiece, which are read without a "
        "tokens.json beside them; train a tokenizer of your own (tokens.kind)"
    )


def _adopt_bpe(folder: Path, tree: dict[str, Any], library: tokenizers.Tokenizer) -> BPETokenizer:
    end = _end(folder, library)
    added = tree.get("added_tokens") or []
    fast = (
        tree.get("normalizer") is None
        and tree["pre_tokenizer"] == split_words()
        and all(token["special"] for token in added)
        and same_ids(library)
    )
    adopted = BPETokenizer(library, fast, end)
    adopted.lossless = tree.get("normalizer") is None
    return adopted


def _end(folder: Path, library: tokenizers.Tokenizer) -> str:
    config = folder / "tokenizer_config.json"
    named: Any = _tree(config, config.read_text("utf-8")) if config.exists() else {}
    token = named.get("eos_token") or named.get("sep_token")
    token = token.get("content") if isinstance(token, dict) else token
    for name in (token, *ENDS):
        if name and library.token_to_id(name) is not None:
            return str(name)
    raise DataError(
        f"{folder / 'tokenizer.json'}: no token that ends a document; name one as eos_token in "
        f"{config}"
    )


def _tree(path: Path, text: str) -> dict[str, Any]:
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); restore the file") from None
    if not isinstance(tree, dict):
        raise DataError(f"{path}: not a JSON object; restore the file")
    return tree
