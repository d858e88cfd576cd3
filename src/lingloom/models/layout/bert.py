"""BERT as transformers writes it: the plain BertModel, and one class for each head above it.

Transformers has no place for a chain of labels: its tensors, chain.*, stand beside the others under
our own names. It opens the rest, tells that it leaves these out, and scores each word by itself.
"""

from collections.abc import Iterator
from typing import Any

from ..bert import EPS, BertSettings
from .config import Config
from .family import Family, Piece

_CLASSES = {
    "masked": "BertForMaskedLM",
    "next_sentence": "BertForPreTraining",
    "classify": "BertForSequenceClassification",
    "tag": "BertForTokenClassification",
    "span": "BertForQuestionAnswering",
    "pooled": "BertModel",
    "none": "BertModel",
}
"""head -> the class that opens it; "pooled" stands before "none", which others do not write."""


def _pieces(s: BertSettings) -> Iterator[Piece]:
    C, F = s.width, s.inside
    yield Piece("embed.weight", {"embeddings.word_embeddings.weight": (s.vocab, C)})
    yield Piece("positions", {"embeddings.position_embeddings.weight": (s.context, C)})
    yield Piece("parts", {"embeddings.token_type_embeddings.weight": (s.parts, C)})
    yield from _norm("norm", "embeddings.LayerNorm", C)
    for i in range(s.layers):
        ours, theirs = f"blocks.{i}", f"encoder.layer.{i}"
        each = [f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")]
        qkv = f"{ours}.attention.qkv"
        yield Piece(f"{qkv}.weight", {f"{name}.weight": (C, C) for name in each})
        yield Piece(f"{qkv}.bias", {f"{name}.bias": (C,) for name in each})
        yield from _linear(f"{ours}.attention.out", f"{theirs}.attention.output.dense", C, C)
        yield from _norm(f"{ours}.norm1", f"{theirs}.attention.output.LayerNorm", C)
        yield from _linear(f"{ours}.ff.up", f"{theirs}.intermediate.dense", C, F)
        yield from _linear(f"{ours}.ff.down", f"{theirs}.output.dense", F, C)
        yield from _norm(f"{ours}.norm2", f"{theirs}.output.LayerNorm", C)
    if s.head in ("masked", "next_sentence"):
        yield Piece("masked.bias", {"cls.predictions.bias": (s.vocab,)})
        yield from _linear("masked.dense", "cls.predictions.transform.dense", C, C)
        yield from _norm("masked.norm", "cls.predictions.transform.LayerNorm", C)
    if s.head in ("next_sentence", "classify", "pooled"):
        yield from _linear("pooler", "pooler.dense", C, C)
    if s.head == "next_sentence":
        yield from _linear("follows", "cls.seq_relationship", C, 2)
    if s.head in ("classify", "tag"):
        yield from _linear("classifier", "classifier", C, s.labels)
    if s.chain:
        yield Piece("chain.follow", {"chain.follow": (s.labels, s.labels)})
        yield Piece("chain.first", {"chain.first": (s.labels,)})
        yield Piece("chain.last", {"chain.last": (s.labels,)})
    if s.head == "span":
        yield from _linear("ends", "qa_outputs", C, 2)


def _linear(ours: str, theirs: str, inputs: int, outputs: int) -> Iterator[Piece]:
    yield Piece(f"{ours}.weight", {f"{theirs}.weight": (outputs, inputs)})
    yield Piece(f"{ours}.bias", {f"{theirs}.bias": (outputs,)})


def _norm(ours: str, theirs: str, width: int) -> Iterator[Piece]:
    yield Piece(f"{ours}.weight", {f"{theirs}.weight": (width,)})
    yield Piece(f"{ours}.bias", {f"{theirs}.bias": (width,)})


def _config(s: BertSettings) -> dict[str, Any]:
    names = s.label_names or [f"LABEL_{i}" for i in range(s.labels)]
    labels = {
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
    }
    ours: dict[str, Any] = {"head": s.head}
    if s.labels and not s.label_names:
        ours["label_names"] = []
    if s.chain:
        ours |= {"chain": True, "constraint": s.constraint}
    return {
        "architectures": [_CLASSES[s.head]],
        "max_position_embeddings": s.context,
        "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads,
        "hidden_size": s.width,
        "intermediate_size": s.inside,
        "type_vocab_size": s.parts,
        "hidden_act": "gelu",
        "layer_norm_eps": EPS,
        "hidden_dropout_prob": s.dropout,
        "attention_probs_dropout_prob": s.dropout,
        "tie_word_embeddings": True,
        "pad_token_id": None,  # else transformers keeps the token of that id from learning
        "lingloom": ours,
        **(labels if s.labels else {}),
    }


def _settings(config: Config) -> BertSettings:
    """Dropout only matters to further training; of two rates that of the layers is taken."""
    config.only("hidden_act", "gelu")
    config.only("layer_norm_eps", EPS)
    config.only("position_embedding_type", "absolute")
    config.only("tie_word_embeddings", True)
    for field in ("is_decoder", "add_cross_attention"):
        config.only(field, False)
    config.only("quantization_config", None)
    named = config.get("architectures", ["BertModel"])
    heads = [head for head, name in _CLASSES.items() if named == [name]]
    if not heads:
        config.refuse("architectures", f"supported is one of {', '.join(set(_CLASSES.values()))}")
    names = config.table("id2label")
    told = heads[0] in ("classify", "tag")
    values = {
        "vocab": config.need("vocab_size"),
        "context": config.get("max_position_embeddings", 512),
        "layers": config.need("num_hidden_layers"),
        "heads": config.need("num_attention_heads"),
        "width": config.need("hidden_size"),
        "ff_width": config.need("intermediate_size"),
        "parts": config.get("type_vocab_size", 2),
        "dropout": config.get("hidden_dropout_prob", 0.1),
        "head": heads[0],
        "labels": (len(names) or 2) * told,  # transformers writes none where there are two
        "label_names": [str(names.get(str(i))) for i in range(len(names))] if told else [],
    }
    return BertSettings(**values | config.table("lingloom"))


BERT = Family(
    architecture="BertForMaskedLM",
    prefix="bert.",
    pieces=_pieces,
    config=_config,
    settings=_settings,
    # of a file with more above the blocks than its class uses, the rest is left, as by transformers
    ignored=r"embeddings\.position_ids|cls\..*|pooler\..*",
    bare=r"cls\.|classifier\.|qa_outputs\.|chain\.",
    older={"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"},
)
