"""Self-tests of what leaves the run: the exported folder, prompts, decoding."""

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..models.decode import generate
from ..models.model import CausalModel, NeuralModel, PairModel, WritingModel
from ..models.port import load_model, save_model
from ..tokens.batch import Batch, PairBatch, Passages, Rows
from .evidence import Evidence, Proof
from .training_proofs import first_rows

DOCUMENTS = 20
"""Held-out documents that are tried."""
TOKENS = 64
"""Tokens of a document that a model is asked about."""
CLOSE = 1e-5


def export(run: Evidence) -> Proof:
    """The saved folder, opened again by ourselves."""
    rows = _rows(run)
    expected = _said(run.model, rows)
    with tempfile.TemporaryDirectory() as folder:
        _export(run, Path(folder))
        again = load_model(folder)
        apart = _apart(_said(again, rows), expected)
    numbers: dict[str, Any] = {"scores": expected.numel(), "largest difference": apart}
    same = True
    if isinstance(again, NeuralModel):
        ours = run.model.state_dict()
        same = all(torch.equal(ours[name], kept) for name, kept in again.state_dict().items())
        numbers["weights"] = "equal" if same else "differ"
    return Proof(
        "exported = trained",
        "the saved model folder, opened again, has the same weights, and gives the same scores "
        "(relative to the largest)",
        apart <= CLOSE and same,
        numbers,
        CLOSE,
    )


def export_elsewhere(run: Evidence) -> Proof:
    """The saved folder, opened by transformers."""
    name, claim = "exported = trained, elsewhere", "transformers opens the folder: same scores"
    kind = run.model.settings.kind
    if reason := _no_transformers(kind):
        return Proof(name, claim, None, {"skipped": reason}, CLOSE)
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    loud = logging.get_verbosity()
    logging.set_verbosity_error()  # what stands above the layers is left out for some
    rows = _rows(run)
    with tempfile.TemporaryDirectory() as folder:
        _export(run, Path(folder))
        opener: Any = getattr(transformers, _OPENED_BY[kind])
        other = opener.from_pretrained(folder, dtype=torch.float32).eval()
    logging.set_verbosity(loud)
    with torch.no_grad():
        told = other(**_as_theirs(rows))
    found = told.logits if isinstance(run.model, WritingModel) else told.last_hidden_state
    expected = _said(run.model, rows)
    apart = _apart(found, expected)
    numbers = {"scores": expected.numel(), "largest difference": apart}
    return Proof(name, claim, apart <= CLOSE, numbers, CLOSE)


_OPENED_BY = {
    "bert": "AutoModel",
    "gpt2": "AutoModelForCausalLM",
    "llama": "AutoModelForCausalLM",
    "t5": "AutoModelForSeq2SeqLM",
}
"""Published family -> the class of transformers that opens it."""


def _as_theirs(rows: Rows) -> dict[str, Tensor | None]:
    """Rows by the names of transformers."""
    if isinstance(rows, PairBatch):
        seen = rows.source_seen.long()
        return {"input_ids": rows.source, "attention_mask": seen, "decoder_input_ids": rows.ids}
    if isinstance(rows, Passages):
        seen = rows.seen.long()
        return {"input_ids": rows.ids, "attention_mask": seen, "token_type_ids": rows.parts}
    return {"input_ids": rows.ids}


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
    if isinstance(run.model, PairModel):
        found, expected, read = _written_in_steps(run)
    else:
        found, expected, read = _read_in_steps(run)
    apart = _apart(found, expected)
    return Proof(
        "decoding = training",
        f"a cache and one token at a time give the scores of {read} tokens at once",
        apart <= CLOSE,
        {"scores": expected.numel(), "largest difference": apart},
        CLOSE,
    )


@torch.no_grad()
def _read_in_steps(run: Evidence) -> tuple[Tensor, Tensor, int]:
    """Scores of the second half of a text, step by step and at once, and its tokens."""
    ids = _ids(run)
    half = max(1, ids.shape[1] // 2)
    expected = _said(run.model, Batch(ids, ids))[0, half - 1 :]
    cache = run.model.new_cache(1, ids.shape[1])
    steps = [run.model.step(ids[:, :half], cache)]
    steps += [run.model.step(ids[:, i : i + 1], cache) for i in range(half, ids.shape[1])]
    return torch.cat(steps).float(), expected, ids.shape[1]


@torch.no_grad()
def _written_in_steps(run: Evidence) -> tuple[Tensor, Tensor, int]:
    """Scores of the targets of some pairs, step by step and at once, and tokens of the longest."""
    rows = _rows(run)
    assert isinstance(rows, PairBatch)
    pairs, length = rows.ids.shape
    memory = run.model.encode(rows.source, rows.source_seen)
    cache = run.model.new_cache(memory, pairs, length)
    steps = [run.model.step(rows.ids[:, i : i + 1], cache) for i in range(length)]
    return torch.stack(steps, dim=1).float(), _said(run.model, rows), length


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


def _rows(run: Evidence) -> Rows:
    """What the model reads: of one that goes on from texts a held-out text, of others the first
    rows that it was trained on."""
    if run.open_order is not None and not isinstance(run.model, CausalModel):
        return first_rows(run.open_order(), 0)
    ids = _ids(run)
    return Batch(ids, ids)


@torch.no_grad()
def _said(model: Any, rows: Rows) -> Tensor:
    """Scores of what follows each token where the model gives them, else its last layer."""
    reads_only = isinstance(model, NeuralModel) and not isinstance(model, WritingModel)
    found: Tensor = model.hidden(rows) if reads_only else model.logits(rows)
    return found.float()


def _apart(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest score."""
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1.0))


def _no_transformers(kind: str) -> str:
    """Why the folder cannot be opened elsewhere; empty when it can."""
    if kind not in _OPENED_BY:
        return f"transformers has no models of kind {kind}"
    if find_spec("transformers") is None:
        return "transformers is not installed; pip install transformers"
    return ""
