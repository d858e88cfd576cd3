"""Llama as transformers writes it."""

from collections.abc import Iterator
from typing import Any

from ..llama import LlamaSettings
from .config import Config
from .family import Family, Piece


def _pieces(s: LlamaSettings) -> Iterator[Piece]:
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


def _config(s: LlamaSettings) -> dict[str, Any]:
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


def _settings(config: Config) -> LlamaSettings:
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


LLAMA = Family(
    architecture="LlamaForCausalLM",
    prefix="model.",
    pieces=_pieces,
    config=_config,
    settings=_settings,
    ignored=r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq",
)
