"""Self-tests of what leaves the run: the exported folder, prompts, decoding."""

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..models.decode import generate
from ..models.port import load_model, save_model
from ..tokens.batch import Batch
from .evidence import Evidence, Proof

DOCUMENTS = 20
"""Held-out documents that are tried."""
TOKENS = 64
"""Tokens of a document that a model is asked about."""
CLOSE = 1e-5


def export(run: Evidence) -> Proof:
    """The saved folder, opened again by ourselves."""
    ids = _ids(run)
    expected = _logits(run.model, ids)
    with tempfile.TemporaryDirectory() as folder:
        _export(run, Path(folder))
        apart = _apart(_logits(load_model(folder), ids), expected)
    return Proof(
        "exported = trained",
        "the saved model folder, opened again, gives the same scores (relative to the largest)",
        apart <= CLOSE,
        {"scores": expected.numel(), "largest difference": apart},
        CLOSE,
    )


def export_elsewhere(run: Evidence) -> Proof:
    """The saved folder, opened by transformers."""
    name, claim = "exported = trained, elsewhere", "transformers opens the folder: same scores"
    if reason := _no_transformers(run.model.settings.kind):
        return Proof(name, claim, None, {"skipped": reason}, CLOSE)
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    ids = _ids(run)
    expected = _logits(run.model, ids)
    with tempfile.TemporaryDirectory() as folder:
        _export(run, Path(folder))
        other: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.no_grad():
            apart = _apart(other(input_ids=ids).logits, expected)
    numbers = {"scores": expected.numel(), "largest difference": apart}
    return Proof(name, claim, apart <= CLOSE, numbers, CLOSE)


def prompts(run: Evidence) -> Proof:
    """Held-out ids spelt out and read again as a prompt would be."""
    equal, tried, first = 0, 0, ""
    for i in range(min(DOCUMENTS, run.heldout.documents)):
        ids = [int(t) for t in run.heldout.document(i)]
        if run.tokenizer.unknown in ids:
            continue  # an unknown word cannot be spelt out
        tried += 1
        same = run.tokenizer.encode(run.tokenizer.decode(ids)) == ids
        equal += same
        first = first or ("" if same else run.heldout.document_id(i))
    numbers: dict[str, Any] = {"documents": tried, "equal": equal}
    if not tried:
        numbers = {"skipped": "every document tried has unknown words"}
    elif first:
        numbers["first that differs"] = first
    return Proof(
        "training prompt = serving prompt",
        "held-out documents, spelt out and read again, are the same token ids",
        equal == tried if tried else None,
        numbers,
    )


def decode_path(run: Evidence) -> Proof:
    """Scores made one token at a time with a cache against all at once without."""
    ids = _ids(run)
    half = max(1, ids.shape[1] // 2)
    expected = _logits(run.model, ids)[0, half - 1 :]
    cache = run.model.new_cache(1, ids.shape[1])
    with torch.no_grad():
        steps = [run.model.step(ids[:, :half], cache)]
        steps += [run.model.step(ids[:, i : i + 1], cache) for i in range(half, ids.shape[1])]
    apart = _apart(torch.cat(steps).float(), expected)
    return Proof(
        "decoding = training",
        f"a cache and one token at a time give the scores of {ids.shape[1]} tokens at once",
        apart <= CLOSE,
        {"scores": expected.numel(), "largest difference": apart},
        CLOSE,
    )


def seeds(run: Evidence) -> Proof:
    """The same seed gives the same text, whatever was drawn in between."""
    settings = run.decode.model_copy(
        update={"max_new_tokens": min(32, max(1, run.model.settings.context // 2))}
    )
    prompt = [int(t) for t in _ids(run)[0, :8]][: run.model.settings.context // 2 or 1]
    texts = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        texts.append(list(generate(run.model, prompt, run.tokenizer.end, settings)))
    return Proof(
        "same seed, same text",
        f"the same prompt twice with seed {settings.seed} gives the same tokens",
        texts[0] == texts[1],
        {"tokens": len(texts[0]), "temperature": settings.temperature},
    )


def _export(run: Evidence, folder: Path) -> None:
    run.tokenizer.save(folder)
    save_model(run.model, folder, folder)


def _ids(run: Evidence) -> Tensor:
    """END and the longest start of the first held-out documents that fits, (1, T) int64."""
    length = min(TOKENS, run.model.settings.context)
    count = min(DOCUMENTS, run.heldout.documents)
    longest = max((run.heldout.document(i) for i in range(count)), key=len)
    ids = np.append(run.tokenizer.end, longest)[:length].astype(np.int64)
    return torch.from_numpy(ids)[None]


def _logits(model: Any, ids: Tensor) -> Tensor:
    """(1, T, V) float32."""
    with torch.no_grad():
        scores: Tensor = model.logits(Batch(ids, ids))
    return scores.float()


def _apart(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest score."""
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1.0))


def _no_transformers(kind: str) -> str:
    """Why the folder cannot be opened elsewhere; empty when it can."""
    if kind == "ngram":
        return "transformers has no n-gram models"
    if kind == "rnn":
        return "transformers has no recurrent language models"
    if find_spec("transformers") is None:
        return "transformers is not installed; pip install transformers"
    return ""
