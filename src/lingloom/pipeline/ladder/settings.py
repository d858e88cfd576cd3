"""What a ladder is asked for, and the recipe of each of its rungs."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from ...device import matmul_peak, working_dtype
from ...loading import load
from ...measure.perplexity import MeasureSettings
from ...models.decode import DecodeSettings
from ...recipe import Recipe
from ...settings import AnyKind, Kinds, Settings
from ...text.places import OutFolder
from ...text.read import TextSettings
from ...tokens.kinds import TOKENIZERS
from .rungs import RUNGS, Rung

_UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
WIDTHS = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
REACHED = 0.15
"""Share of the processor's peak that small models reach in training."""
TOKENS_PER_PARAMETER = 20
"""At which a given amount of computing is best spent (Hoffmann et al. 2022, table 3)."""
POINTS = 12
"""Evaluations of each rung while it trains: the points of its learning curve."""


class LadderSettings(Settings):
    """Every family on the same text and tokens, for the same time or the same compute."""

    text: TextSettings
    """The text of all rungs; the ladder's first words are text.read."""
    tokens: Annotated[AnyKind | None, Kinds(TOKENIZERS)] = None
    """The tokenizer of all rungs; null: byte-level BPE with 32 tokens for each number of width."""
    rungs: list[str] = []
    """Which rungs to climb; empty: all."""
    budget: str = "20min"
    """Time for training, as 90s, 20min, 2h or 1d: shared among the rungs that learn by gradient.
    Counting, reading and measuring come on top; the plan says how much."""
    by: Literal["time", "flops"] = "time"
    """time: every rung trains for the same time; flops: every rung computes as much."""
    width: NonNegativeInt = 0
    """Numbers in a hidden state of every rung; 0 chooses by the budget."""
    context: PositiveInt = 128
    """Tokens of one row of training."""
    batch: PositiveInt = 16
    """Rows of one step."""
    measure: MeasureSettings = MeasureSettings()
    """How every rung is scored."""
    decode: DecodeSettings = Field(default_factory=lambda: DecodeSettings(max_new_tokens=80))
    """How every rung writes its samples."""
    seed: NonNegativeInt = 0
    """Everything random follows from this number."""
    out: OutFolder = ""
    """The ladder's folder; empty: runs/ladder- and the text's name."""

    @field_validator("budget")
    @classmethod
    def _is_a_time(cls, text: str) -> str:
        seconds_in(text)
        return text

    @field_validator("rungs")
    @classmethod
    def _known_rungs(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in RUNGS:
                near = get_close_matches(name, RUNGS, n=1, cutoff=0.4)
                hint = f"; did you mean '{near[0]}'?" if near else ""
                raise ValueError(f"'{name}' is not one of {', '.join(RUNGS)}{hint}")
        return names

    def climbed(self) -> list[Rung]:
        """The rungs, from the lowest up, each once."""
        return [rung for name, rung in RUNGS.items() if name in self.rungs or not self.rungs]

    def settled(self) -> "LadderSettings":
        """With everything chosen that was left to be chosen by the machine and the text's name."""
        learning = sum(not rung.counts for rung in self.climbed())
        width = self.width or best_width(seconds_in(self.budget) / max(1, learning))
        tokens: Any = self.tokens
        if tokens is None:
            tokens = load(
                Kinds(TOKENIZERS).settings_class("bpe"), {"vocab": min(32 * width, 16384)}
            )
        first = self.text.entries[0] if self.text.entries else ""
        name = re.sub(r"\W+", "-", Path(first).name.partition(".")[0]).strip("-")
        out = self.out or f"runs/ladder-{name or 'text'}"
        return self.model_copy(update={"width": width, "tokens": tokens, "out": out})

    def recipe(self, rung: Rung, steps: int, out: Path) -> Recipe:
        """The ordinary recipe of one rung, which alone would rerun it.

        Args:
            rung: one of those climbed; self is settled.
            steps: what its share of the budget allows; of no effect where it counts.
            out: its run folder.
        """
        every = max(1, -(-steps // POINTS))
        tree: dict[str, Any] = {
            "text": self.text,
            "tokens": self.tokens,
            "model": dict(rung.model),
            "measure": self.measure,
            "decode": self.decode,
            "seed": self.seed,
            "out": str(out),
        }
        if not rung.counts:
            tree["model"] |= {"width": self.width, "context": self.context}
            tree["train"] = {
                "steps": steps,
                "batch": self.batch,
                "lr": rung.lr * 128 / self.width,
                "optimizer": {"kind": "muon"},
                "schedule": {"kind": "cosine", "warmup": 0.05},
                "eval_every": every,
                "checkpoint": {"every": every},
            }
        return load(Recipe, tree)


def seconds_in(text: str) -> float:
    """'20min' -> 1200.0.

    Raises:
        ValueError: not a number, above 0, with one of the units.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*", text)
    if not match or not float(match[1]):
        raise ValueError(f"'{text}' is not a time; write it as 90s, 20min, 2h or 1d")
    return float(match[1]) * _UNITS_S[match[2]]


def best_width(share_s: float) -> int:
    """The width at which `share_s` seconds here are best spent on four layers of a Transformer.

    N parameters read TOKENS_PER_PARAMETER N tokens with 6 N operations each; N is 80 width^2: 12 a
    layer, and 32 tokens for each number of width.
    """
    flops = share_s * REACHED * matmul_peak(working_dtype("auto"))
    parameters = (flops / (6 * TOKENS_PER_PARAMETER)) ** 0.5
    fits = [width for width in WIDTHS if 80 * width**2 <= parameters]
    return fits[-1] if fits else WIDTHS[0]
