"""What fixes a run's numbers beside its recipe: versions, commit, machine."""

from ..device import cpu_features
from .versions import commit, processor, versions

_LIBRARIES = ("torch", "numpy", "tokenizers", "tiktoken", "safetensors", "pyarrow", "pydantic")


def environment() -> dict[str, str]:
    """Names and values, as the report prints them."""
    import torch

    facts = versions(_LIBRARIES)
    facts["processor"] = f"{processor()}, {torch.get_num_threads()} threads"
    facts["matrix features"] = " ".join(cpu_features()) or "none known"
    if made_from := commit():
        facts["commit"] = made_from
    return facts
