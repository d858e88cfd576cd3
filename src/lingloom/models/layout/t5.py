"""T5 as transformers writes it, in its first version and in version 1.1.

The two differ in the feed-forward part and in the output: where `tie_word_embeddings` is false the
output layer has weights of its own, and its input is not scaled.
"""

from collections.abc import Iterator
from typing import Any

from ..t5 import T5Settings
from .config import Config
from .family import Family, Piece

_FF = {"relu": "relu", "gated_gelu": "gated-gelu"}
"""Ours -> theirs."""
_SIZES = {
    "layers": "num_layers",
    "heads": "num_heads",
    "width": "d_model",
    "head_width": "d_kv",
    "ff_width": "d_ff",
}
"""Ours -> theirs, always written."""
_MORE = {
    "decoder_layers": "num_decoder_layers",
    "buckets": "relative_attention_num_buckets",
    "distance": "relative_attention_max_distance",
    "norm_eps": "layer_norm_epsilon",
    "dropout": "dropout_rate",
}
"""Ours -> theirs, not in older files."""


def _pieces(s: T5Settings) -> Iterator[Piece]:
    C = s.width
    yield Piece("embed.weight", {"shared.weight": (s.vocab, C)})
    for stack, depth in (("encoder", s.layers), ("decoder", s.depth)):
        table = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        yield Piece(f"{stack}_distances.weight", {table: (s.buckets, s.heads)})
        for i in range(depth):
            yield from _block(s, f"{stack}.{i}", f"{stack}.block.{i}.layer", stack == "decoder")
        norm = "norm" if stack == "decoder" else "encoder_norm"
        yield Piece(f"{norm}.weight", {f"{stack}.final_layer_norm.weight": (C,)})
    if not s.tied:
        yield Piece("head.weight", {"lm_head.weight": (s.vocab, C)})


def _block(s: T5Settings, ours: str, theirs: str, decodes: bool) -> Iterator[Piece]:
    C, inside, into = s.width, s.inside, (s.inner, s.width)
    own = f"{theirs}.0.SelfAttention"
    yield Piece(f"{ours}.norm1.weight", {f"{theirs}.0.layer_norm.weight": (C,)})
    yield Piece(f"{ours}.attention.qkv.weight", {f"{own}.{part}.weight": into for part in "qkv"})
    yield Piece(f"{ours}.attention.out.weight", {f"{own}.o.weight": (C, s.inner)})
    yield Piece(f"{ours}.norm2.weight", {f"{theirs}.1.layer_norm.weight": (C,)})
    if decodes:
        other = f"{theirs}.1.EncDecAttention"
        yield Piece(f"{ours}.cross.q.weight", {f"{other}.q.weight": into})
        yield Piece(f"{ours}.cross.kv.weight", {f"{other}.{part}.weight": into for part in "kv"})
        yield Piece(f"{ours}.cross.out.weight", {f"{other}.o.weight": (C, s.inner)})
        yield Piece(f"{ours}.norm3.weight", {f"{theirs}.2.layer_norm.weight": (C,)})
    ff = f"{theirs}.{2 if decodes else 1}.DenseReluDense"
    ups = ("wi",) if s.ff == "relu" else ("wi_0", "wi_1")
    yield Piece(f"{ours}.ff.up.weight", {f"{ff}.{up}.weight": (inside, C) for up in ups})
    yield Piece(f"{ours}.ff.down.weight", {f"{ff}.wo.weight": (C, inside)})


def _config(s: T5Settings) -> dict[str, Any]:
    settled = {
        "decoder_layers": s.depth,
        "head_width": s.inner // s.heads,
        "ff_width": s.inside,
    }
    values = s.model_dump() | settled
    return {
        **{theirs: values[ours] for ours, theirs in (_SIZES | _MORE).items()},
        "feed_forward_proj": _FF[s.ff],
        "is_encoder_decoder": True,
        **({} if s.start is None else {"decoder_start_token_id": s.start}),
        "lingloom": {"context": s.context},
    }


def _settings(config: Config) -> T5Settings:
    config.only("feed_forward_proj", *_FF.values())
    config.only("quantization_config", None)
    start = config.get("decoder_start_token_id")
    values = {
        "vocab": config.need("vocab_size"),
        "context": config.get("n_positions", 512),
        "start": None if start == config.get("eos_token_id") else start,
        "ff": {theirs: ours for ours, theirs in _FF.items()}[
            config.get("feed_forward_proj", "relu")
        ],
        "tied": config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True)),
        **{ours: config.need(theirs) for ours, theirs in _SIZES.items()},
        **{
            ours: config.get(theirs)
            for ours, theirs in _MORE.items()
            if config.get(theirs) is not None
        },
    }
    return T5Settings(**values | config.table("lingloom"))


T5 = Family(
    architecture="T5ForConditionalGeneration",
    prefix="",
    pieces=_pieces,
    config=_config,
    settings=_settings,
    ignored=r"(encoder|decoder)\.embed_tokens\.weight"
    r"|decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",
)
