"""GPT-2 as transformers writes it."""

from collections.abc import Iterator
from typing import Any

from ..gpt2 import EPS, GPT2Settings
from .config import Config
from .family import Family, Piece


def _pieces(s: GPT2Settings) -> Iterator[Piece]:
    C, F = s.width, s.ff_width or 4 * s.width
    yield Piece("embed.weight", {"wte.weight": (s.vocab, C)})
    yield Piece("positions", {"wpe.weight": (s.context, C)})
    for i in range(s.layers):
        for ours, theirs, inputs, outputs in (
            ("norm1", "ln_1", 0, C),
            ("attention.qkv", "attn.c_attn", C, 3 * C),
            ("attention.out", "attn.c_proj", C, C),
            ("norm2", "ln_2", 0, C),
            ("ff.up", "mlp.c_fc", C, F),
            ("ff.down", "mlp.c_proj", F, C),
        ):
            shape: tuple[int, ...] = (inputs, outputs) if inputs else (outputs,)
            ours, theirs = f"blocks.{i}.{ours}", f"h.{i}.{theirs}"
            yield Piece(f"{ours}.weight", {f"{theirs}.weight": shape}, transposed=bool(inputs))
            yield Piece(f"{ours}.bias" if s.bias else "", {f"{theirs}.bias": (outputs,)})
    yield Piece("norm.weight", {"ln_f.weight": (C,)})
    yield Piece("norm.bias" if s.bias else "", {"ln_f.bias": (C,)})
    if not s.tied:
        yield Piece("head.weight", {"lm_head.weight": (s.vocab, C)})


def _config(s: GPT2Settings) -> dict[str, Any]:
    return {
        "n_positions": s.context,
        "n_layer": s.layers,
        "n_head": s.heads,
        "n_embd": s.width,
        "n_inner": s.ff_width or None,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": EPS,
        "resid_pdrop": s.dropout,
        "embd_pdrop": s.dropout,
        "attn_pdrop": s.dropout,
        "lingloom": {"bias": s.bias, "dropconnect": s.dropconnect},
    }


def _settings(config: Config) -> GPT2Settings:
    """Dropout only matters to further training; of three rates the residual one is taken."""
    config.only("activation_function", "gelu_new", "gelu_pytorch_tanh")
    config.only("layer_norm_epsilon", EPS)
    config.only("scale_attn_weights", True)
    config.only("scale_attn_by_inverse_layer_idx", False)
    config.only("add_cross_attention", False)
    config.only("quantization_config", None)
    values = {
        "vocab": config.need("vocab_size"),
        "context": config.get("n_positions", 1024),
        "layers": config.need("n_layer"),
        "heads": config.need("n_head"),
        "width": config.need("n_embd"),
        "ff_width": config.get("n_inner", 0),
        "dropout": config.get("resid_pdrop", 0.1),
        "tied": config.get("tie_word_embeddings", True),
    }
    return GPT2Settings(**values | config.table("lingloom"))


GPT2 = Family(
    architecture="GPT2LMHeadModel",
    prefix="transformer.",
    pieces=_pieces,
    config=_config,
    settings=_settings,
    ignored=r"h\.\d+\.attn\.(bias|masked_bias)",
)
