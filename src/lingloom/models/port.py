"""Model folders in the Hugging Face layout, out and in; with `layout/` all that knows of others.

A folder holds config.json, generation_config.json, model.safetensors and, where a tokenizer is
given, tokenizer.json, tokens.json and tokenizer_config.json; transformers opens it as it is. A
family that transformers does not know keeps files of its own there, under a model_type of ours.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from ..errors import DataError
from ..runs import make_folder, unwritable
from ..tokens.foreign import ENDS
from ..tokens.tokenizer import MASKS, PAD, UNKNOWN
from .layout.config import Config
from .layout.family import Family
from .layout.kinds import SELF, kind_of, layout_of, model_types
from .model import LanguageModel, NeuralModel, PairModel
from .weights import TORCH, Entry, Reader, read_headers, write

LEARNT = "lingloom_objective"
"""Field of config.json: what a model was trained for."""
GENERATION = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
"""Fields of config.json that transformers' generate reads in generation_config.json."""
TOKENIZER_FILES = ("tokenizer.json", "tokens.json", "tagger.safetensors", "labels.json")


# --------------------------------------------------------------------------- out


def save_model(
    model: LanguageModel | NeuralModel,
    folder: str | Path,
    tokenizer_folder: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
    learnt: str = "",
) -> None:
    """Write `model`, and the tokenizer kept in `tokenizer_folder`, into `folder`.

    All is written aside and then renamed, config.json last; a folder without it does not load, so
    a kill at any instant leaves the old model, the new one, or a folder that says it is not whole.

    Args:
        model: of any family.
        folder: made if need be; other files in it stay.
        tokenizer_folder: holds tokenizer.json; may be `folder` itself.
        dtype: float type of the stored weights; families with files of their own ignore it.
        learnt: kind of the objective, for `learnt_by`.

    Raises:
        RunError: the folder cannot be written to, or the disk is full.
        DataError: there is no tokenizer in `tokenizer_folder`.
    """
    folder = Path(folder)
    make_folder(folder)
    aside = folder / f".writing-{os.getpid()}"
    try:
        aside.mkdir(exist_ok=True)
        if tokenizer_folder is not None:
            _copy_tokenizer(Path(tokenizer_folder), aside, model.settings.context)
        if isinstance(model, NeuralModel):
            _write_model(model, aside, dtype, learnt)
        else:
            model.save(aside)  # type: ignore[attr-defined]
        (folder / "config.json").unlink(missing_ok=True)
        for file in sorted(aside.iterdir(), key=lambda file: file.name == "config.json"):
            os.replace(file, folder / file.name)
    except OSError as error:
        raise unwritable(folder, error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_model(model: NeuralModel, folder: Path, dtype: torch.dtype, learnt: str) -> None:
    settings, end = model.settings, _end_id(folder)
    family = layout_of(settings.kind)
    shapes: dict[str, tuple[int, ...]] = {}
    for piece in family.pieces(settings):
        for name, shape in piece.theirs.items():
            shapes[family.stored_as(name)] = shape
    write(folder / "model.safetensors", shapes, _tensors(model, family), dtype)
    ends = {"bos_token_id": end, "eos_token_id": end}
    if isinstance(model, PairModel) and end is not None:  # a target is written behind END
        ends |= {"decoder_start_token_id": end, "pad_token_id": end}
    config = {
        "architectures": [family.architecture],
        "model_type": family.model_type or settings.kind,
        "vocab_size": settings.vocab,
        "tie_word_embeddings": getattr(settings, "tied", False),
        "dtype": str(dtype).removeprefix("torch."),
        **ends,
        **family.config(settings),
        **({LEARNT: learnt} if learnt else {}),
    }
    generation = {key: config[key] for key in GENERATION if config.get(key) is not None}
    _write_json(folder / "generation_config.json", generation)
    _write_json(folder / "config.json", config)


def _tensors(model: NeuralModel, family: Family) -> Iterator[Tensor]:
    """Their tensors, in the order of the family's pieces."""
    for piece in family.pieces(model.settings):
        if not piece.ours:
            yield from (torch.zeros(shape) for shape in piece.theirs.values())
            continue
        ours = _tensor(model, piece.ours)
        rows = [shape[-1 if piece.transposed else 0] for shape in piece.theirs.values()]
        yield from (part.T if piece.transposed else part for part in ours.split(rows))


def _tensor(model: NeuralModel, name: str) -> Tensor:
    """A weight, or a running statistic."""
    found = model.state_dict(keep_vars=True)[name]
    assert isinstance(found, Tensor)
    return found


def _copy_tokenizer(source: Path, folder: Path, context: int) -> None:
    if not (source / "tokenizer.json").is_file():
        raise DataError(f"{source}: no tokenizer.json here; give the folder of a tokenizer")
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    special = {row["content"] for row in _added_tokens(folder)}
    roles = {
        "bos": ENDS[:1],
        "eos": ENDS[:-1],
        "unk": (UNKNOWN, "[UNK]"),
        "pad": (PAD, "[PAD]"),
        "mask": MASKS,
        "cls": ("[CLS]",),
        "sep": ("[SEP]",),
    }
    found = {role: next(filter(special.__contains__, names), "") for role, names in roles.items()}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        **{f"{role}_token": token for role, token in found.items() if token},
    }
    _write_json(folder / "tokenizer_config.json", config)


def _added_tokens(folder: Path) -> list[dict[str, Any]]:
    path = folder / "tokenizer.json"
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8")).get("added_tokens", [])
    except (ValueError, AttributeError) as error:
        raise DataError(f"{path}: not a tokenizer ({error}); train it again") from None
    return rows


def _end_id(folder: Path) -> int | None:
    ids = {row["content"]: int(row["id"]) for row in _added_tokens(folder)}
    return next((ids[name] for name in ENDS if name in ids), None)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


# --------------------------------------------------------------------------- in


def load_model(folder: str | Path, dtype: torch.dtype | None = None) -> Any:
    """The model in `folder`, in evaluation mode; its settings are rebuilt from config.json.

    The configuration, every header, and every tensor's name and shape are checked before memory
    for the weights is taken. Nothing is ever unpickled.

    Args:
        folder: in the Hugging Face layout, by us or by others; weights in one file or in shards.
        dtype: precision of the weights; None keeps the stored one (float32 if they differ).

    Raises:
        DataError: not a model that we can run exactly; the message names file and field.
    """
    folder = Path(folder)
    config = Config(folder / "config.json")
    known = kind_of(str(config.get("model_type"))) or ""
    if not known:
        config.refuse("model_type", f"supported are {', '.join(model_types())}")
    if known in SELF:
        module, _, name = SELF[known].partition(":")
        return getattr(import_module(f"lingloom.{module}"), name).load(folder)
    family = layout_of(known)
    try:
        settings: Any = family.settings(config)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "sizes"
        message = first["msg"].removeprefix("Value error, ")
        raise DataError(f"{config.path}: {field}: {message}; correct the file") from None
    if not settings.vocab:
        config.refuse("vocab_size", "it must be at least 1")
    stored = _match(family, settings, read_headers(folder), config.path)
    with torch.device("meta"):
        model: NeuralModel = settings.build()
    types = {entry.dtype for _, entry in stored.values()}
    kept = TORCH[types.pop()] if len(types) == 1 else torch.float32
    model.to(dtype or kept).to_empty(device="cpu")
    _fill(model, family, stored)
    return model.eval()


def learnt_by(folder: str | Path) -> str:
    """The kind of the objective that the model in `folder` was trained for; empty if it is not
    said there.

    Raises:
        DataError: config.json cannot be read.
    """
    return str(Config(Path(folder) / "config.json").get(LEARNT, ""))


def _match(
    family: Family, settings: Any, entries: dict[str, Entry], config: Path
) -> dict[str, tuple[str, Entry]]:
    """Name without prefix -> (name in the file, entry): all the weights, and nothing else."""
    if (layers := getattr(settings, "layers", 0)) > len(entries):
        raise DataError(
            f"{config}: {layers} layers, but the weights hold only {len(entries)} "
            f"tensors; the two belong to different models: copy the folder again"
        )
    stored = {family.known_as(name): (name, entry) for name, entry in entries.items()}
    wanted = {n: s for piece in family.pieces(settings) for n, s in piece.theirs.items()}
    for name, shape in wanted.items():
        if name not in stored:
            raise DataError(
                f"{config.parent}: tensor '{name}' is missing from the weights; "
                f"copy the folder again"
            )
        entry = stored[name][1]
        if entry.shape != shape:
            raise DataError(
                f"{entry.file}: tensor '{name}' has shape {list(entry.shape)}, but {config.name} "
                f"asks for {list(shape)}; the two belong to different models: copy both again"
            )
        if entry.dtype not in TORCH:
            raise DataError(
                f"{entry.file}: tensor '{name}' has dtype {entry.dtype}, which is no float type; "
                f"save the model without quantisation"
            )
    for name in stored.keys() - wanted.keys():
        tied_copy = name == "lm_head.weight" and getattr(settings, "tied", False)
        if not tied_copy and not re.fullmatch(family.ignored, name):
            raise DataError(
                f"{stored[name][1].file}: tensor '{name}' has no place in this model; "
                f"is {config.name} of another one? copy both again"
            )
    return {name: stored[name] for name in wanted}


@torch.no_grad()
def _fill(model: NeuralModel, family: Family, stored: dict[str, tuple[str, Entry]]) -> None:
    reader = Reader()
    for piece in family.pieces(model.settings):
        row = 0
        for name in piece.theirs:
            tensor = reader.read(*stored[name])
            tensor = tensor.T if piece.transposed else tensor
            if piece.ours:
                _tensor(model, piece.ours)[row : row + len(tensor)] = tensor
            elif tensor.any():
                raise DataError(
                    f"{stored[name][1].file}: tensor '{name}' is not all zeros in a model without "
                    f"biases; remove lingloom.bias from config.json"
                )
            row += len(tensor)
