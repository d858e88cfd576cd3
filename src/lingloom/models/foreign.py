"""How others name our settings and tensors; `port.py` reads and writes with these tables.

Their layout is the Hugging Face one: config.json, and tensors by name.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import DataError
from .gpt2 import EPS, GPT2Settings
from .llama import LlamaSettings
from .rnn import RNNSettings

CONFIG_BYTES = 10_000_000
"""Largest config.json that is read."""


class Config:
    """A config.json, and the errors that name its fields."""

    def __init__(self, path: Path):
        self.path = path
        try:
            if path.stat().st_size > CONFIG_BYTES:
                raise DataError(f"{path}: over {CONFIG_BYTES} bytes is no configuration; copy it")
            values = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}); give the folder of a model that was "
                f"saved to the end"
            ) from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: is not JSON ({error}); copy the folder again") from None
        if not isinstance(values, dict):
            raise DataError(f"{path}: is not a table of fields; copy the folder again")
        self.values: dict[str, Any] = values

    def get(self, field: str, default: Any = None) -> Any:
        """The field's value, or `default` where it is left out or null."""
        value = self.values.get(field)
        return default if value is None else value

    def need(self, field: str) -> Any:
        """The field's value, which must be there."""
        if self.get(field) is None:
            raise DataError(f"{self.path}: no field '{field}'; copy the folder again")
        return self.values[field]

    def table(self, field: str) -> dict[str, Any]:
        """The field's value, which must be a table; empty where it is left out."""
        value = self.get(field, {})
        if not isinstance(value, dict):
            self.refuse(field, "a table is expected")
        return dict(value)

    def only(self, field: str, *values: Any) -> None:
        """Refuse any value but these; a field that is left out has the first."""
        if self.get(field, values[0]) not in values:
            self.refuse(field, f"supported is {' or '.join(repr(value) for value in values)}")

    def refuse(self, field: str, remedy: str) -> None:
        """Raise the error that names `field` and its value."""
        raise DataError(f"{self.path}: field '{field}' is {self.values.get(field)!r}; {remedy}")


@dataclass(frozen=True)
class Piece:
    """A tensor of ours and the tensors that hold it in the other layout."""

    ours: str
    """Empty for a bias that we leave out and the other layout holds as zeros."""
    theirs: dict[str, tuple[int, ...]]
    """Name and shape as stored; ours is their rows, one below the other."""
    transposed: bool = False
    """Whether theirs is stored as (inputs, outputs)."""


@dataclass(frozen=True)
class Family:
    """How one family is written in the other layout."""

    architecture: str
    prefix: str
    """May stand before every name but the output layer's."""
    pieces: Callable[[Any], Iterator[Piece]]
    config: Callable[[Any], dict[str, Any]]
    settings: Callable[[Config], GPT2Settings | LlamaSettings | RNNSettings]
    ignored: str
    """Pattern of stored names that are no weights."""
    model_type: str = ""
    """As config.json has it; empty where it is the family's kind."""


# --------------------------------------------------------------------------- GPT-2


def _gpt2_pieces(s: GPT2Settings) -> Iterator[Piece]:
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


def _gpt2_config(s: GPT2Settings) -> dict[str, Any]:
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


def _gpt2_settings(config: Config) -> GPT2Settings:
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


# --------------------------------------------------------------------------- Llama


def _llama_pieces(s: LlamaSettings) -> Iterator[Piece]:
    C, F, keys = s.width, s.inside, s.key_heads * s.head_width
    yield Piece("embed.weight", {"embed_tokens.weight": (s.vocab, C)})
    for i in range(s.layers):
        rows: tuple[tuple[str, dict[str, tuple[int, ...]]], ...] = (
            ("norm1", {"input_layernorm": (C,)}),
            (
                "attention.qkv",
                {
                    "self_attn.q_proj": (C, C),
                    "self_attn.k_proj": (keys, C),
                    "self_attn.v_proj": (keys, C),
                },
            ),
            ("attention.out", {"self_attn.o_proj": (C, C)}),
            ("norm2", {"post_attention_layernorm": (C,)}),
            ("ff.gate_up", {"mlp.gate_proj": (F, C), "mlp.up_proj": (F, C)}),
            ("ff.down", {"mlp.down_proj": (C, F)}),
        )
        for ours, theirs in rows:
            named = {f"layers.{i}.{name}.weight": shape for name, shape in theirs.items()}
            yield Piece(f"blocks.{i}.{ours}.weight", named)
    yield Piece("norm.weight", {"norm.weight": (C,)})
    if not s.tied:
        yield Piece("head.weight", {"lm_head.weight": (s.vocab, C)})


_STRETCH = {
    "factor": "factor",
    "low": "low_freq_factor",
    "high": "high_freq_factor",
    "context": "original_max_position_embeddings",
}


def _llama_config(s: LlamaSettings) -> dict[str, Any]:
    stretch = s.rope_stretch
    scaling = stretch and {
        "rope_type": "llama3",
        **{theirs: getattr(stretch, ours) for ours, theirs in _STRETCH.items()},
    }
    return {
        "max_position_embeddings": s.context,
        "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads,
        "num_key_value_heads": s.key_heads,
        "head_dim": s.head_width,
        "hidden_size": s.width,
        "intermediate_size": s.inside,
        "hidden_act": "silu",
        "rms_norm_eps": s.norm_eps,
        "rope_theta": s.rope_base,  # releases from 5 on read this older form too
        "rope_scaling": scaling,
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": s.dropout,
        "lingloom": {"dropconnect": s.dropconnect},
    }


def _llama_settings(config: Config) -> LlamaSettings:
    config.only("hidden_act", "silu")
    for field in ("attention_bias", "mlp_bias"):
        config.only(field, False)
    for field in ("sliding_window", "quantization_config"):
        config.only(field, None)
    config.only("partial_rotary_factor", 1.0)
    rope = config.table("rope_scaling") | config.table("rope_parameters")
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    if rope_type not in ("default", "llama3"):
        where = "rope_parameters" if config.get("rope_parameters") else "rope_scaling"
        config.refuse(where, "supported is rope_type 'default' or 'llama3'")
    values = {
        "vocab": config.need("vocab_size"),
        "context": config.get("max_position_embeddings", 2048),
        "layers": config.need("num_hidden_layers"),
        "heads": config.need("num_attention_heads"),
        "kv_heads": config.get("num_key_value_heads", 0),
        "width": config.need("hidden_size"),
        "ff_width": config.need("intermediate_size"),
        "rope_base": rope.get("rope_theta", config.get("rope_theta", 10_000.0)),
        "rope_stretch": {o: rope[t] for o, t in _STRETCH.items() if t in rope}
        if rope_type == "llama3"
        else None,
        "norm_eps": config.get("rms_norm_eps", 1e-6),
        "dropout": config.get("attention_dropout", 0.0),
        "tied": config.get("tie_word_embeddings", False),
    }
    settings = LlamaSettings(**values | config.table("lingloom"))
    config.only("head_dim", settings.head_width)
    return settings


# --------------------------------------------------------------------------- our own


def _plain_pieces(s: Any) -> Iterator[Piece]:
    """Every tensor under our own name."""
    with torch.device("meta"):
        model = s.build()
    for name, parameter in model.named_parameters():
        yield Piece(name, {name: tuple(parameter.shape)})


def _rnn_config(s: RNNSettings) -> dict[str, Any]:
    return {"lingloom": s.model_dump(mode="json", exclude={"kind", "vocab", "tied"})}


def _rnn_settings(config: Config) -> RNNSettings:
    values = {"vocab": config.need("vocab_size"), "tied": config.need("tie_word_embeddings")}
    return RNNSettings(**values | config.table("lingloom"))


FAMILIES = {
    "gpt2": Family(
        architecture="GPT2LMHeadModel",
        prefix="transformer.",
        pieces=_gpt2_pieces,
        config=_gpt2_config,
        settings=_gpt2_settings,
        ignored=r"h\.\d+\.attn\.(bias|masked_bias)",
    ),
    "llama": Family(
        architecture="LlamaForCausalLM",
        prefix="model.",
        pieces=_llama_pieces,
        config=_llama_config,
        settings=_llama_settings,
        ignored=r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq",
    ),
    "rnn": Family(
        architecture="LingloomRNN",
        prefix="",
        pieces=_plain_pieces,
        config=_rnn_config,
        settings=_rnn_settings,
        ignored="",
        model_type="lingloom_rnn",
    ),
}
"""kind -> how it is written; one row per newcomer."""
MODEL_TYPES = {family.model_type or kind: family for kind, family in FAMILIES.items()}
"""As config.json names the families -> how each is written."""
