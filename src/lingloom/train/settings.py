"""How a model is trained: the loop's settings and those of its parts."""

from typing import Annotated, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from ..settings import AnyKind, Kinds, Settings
from .objectives.kinds import OBJECTIVES
from .optim import OPTIMIZERS, BelowOne, NotNegative
from .schedule import SCHEDULES

_OPTIMIZER = Kinds(OPTIMIZERS, "adamw")
_SCHEDULE = Kinds(SCHEDULES, "cosine")

MICRO_TOKENS = 2048
"""Most tokens of a micro-batch that is chosen for the user. Twice as many are no faster, and with
tensors above 32 MB glibc returns each to the system."""
MOST_WORKERS = 4
"""Each further worker costs a float32 gradient buffer."""


class RegulariseSettings(Settings):
    """What keeps training steady and the model from learning its data by heart."""

    l1: NotNegative = 0.0
    """Adds l1 * sum|w| to the loss, for weights that decay."""
    l2: NotNegative = 0.0
    """Adds l2/2 * sum w^2 to the loss, for weights that decay; optimizer.weight_decay is the
    decoupled kind."""
    label_smoothing: BelowOne = 0.0
    """Share of the target's probability that is spread over the whole vocabulary."""
    clip_norm: NotNegative = 1.0
    """Largest 2-norm of the whole gradient; 0 does not clip."""
    clip_value: NotNegative = 0.0
    """Largest size of any single gradient; 0 does not clip."""
    ema: BelowOne = 0.0
    """Decay of the moving average of the weights that is evaluated and kept; 0: none."""
    patience: NonNegativeInt = 0
    """Evaluations without improvement after which training stops; 0: never. The weights of the best
    evaluation are kept; text.validation chooses them, or, without
    it, about half of the held-out text, and the rest is scored."""


class CheckpointSettings(Settings):
    """When the state of the run is written, and how much of it is kept."""

    every: NonNegativeInt = 100
    """Steps between checkpoints; one is always written at the end. 0: only at the end."""
    keep: PositiveInt = 2
    """Newest checkpoints kept on disk; with 2 or more a damaged one costs some steps only."""
    background: bool = True
    """Write while the next gradients are computed; needs no extra memory."""


class GuardSettings(Settings):
    """What happens to a batch whose loss or gradient is not finite, or far out of the ordinary."""

    spike_factor: NotNegative = 20.0
    """Leave out a step whose gradient norm is this many times the running median; 0: never."""
    window: PositiveInt = 100
    """Norms in the running median; spikes are judged once a fifth of them are known."""
    repeats: PositiveInt = 3
    """Steps left out in a row after which the run goes back to its last checkpoint."""
    rollbacks: NonNegativeInt = 2
    """How often a run may go back before it stops."""


class TrainSettings(Settings):
    """How a model is trained."""

    steps: PositiveInt = 1000
    """Optimizer steps."""
    batch: PositiveInt = 32
    """Sequences per optimizer step, over all micro-batches."""
    micro: NonNegativeInt = 0
    """Sequences computed at once by one worker; 0 chooses by context and workers. Changes speed and
    memory, not results (beyond rounding), but for what dropout drops, which follows from the
    micro-batch: fix it to repeat such a run on a machine with other cores."""
    workers: NonNegativeInt = 0
    """Micro-batches computed side by side, each on its share of the threads; 0: one per thread, at
    most four. A compiled model with dropout always has one."""
    lr: PositiveFloat = 1e-3
    """Peak step size; the schedule multiplies it."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Of the working weights and activations; master weights and sums are always fp32. auto: bf16
    where the hardware multiplies it by itself."""
    compile: bool = False
    """Compile the model: costs half a minute at the start. Meant for GPUs; on the CPU where it was
    measured, the kernels without it were faster."""
    packing: Literal["stream", "documents", "carried"] = "stream"
    """stream: a sequence runs over document borders; documents: attention stays inside one, and a
    recurrent state starts anew with each; carried: each sequence goes on where the one of the step
    before stopped, from the state it left (truncated back-propagation; recurrent families only)."""
    objective: Annotated[AnyKind | None, Kinds(OBJECTIVES)] = None
    """What is learnt; null: what the model's family learns by default."""
    embed_from: str = ""
    """Vectors that the model's input embedding starts from, matched by the names of tokens: a file
    as word2vec or GloVe writes it, or a run; other tokens start as ever. Empty: none."""
    embed_frozen: bool = False
    """Leave the input embedding as it began; with train.embed_from only."""
    optimizer: Annotated[AnyKind, _OPTIMIZER] = Field(default_factory=_OPTIMIZER.build_default)
    """How gradients change weights."""
    schedule: Annotated[AnyKind, _SCHEDULE] = Field(default_factory=_SCHEDULE.build_default)
    """How the step size changes over the run."""
    regularise: RegulariseSettings = RegulariseSettings()
    """Penalties, clipping, averaging, early stopping."""
    eval_every: NonNegativeInt = 100
    """Steps between evaluations; one is always made at the end. 0: only at the end."""
    checkpoint: CheckpointSettings = CheckpointSettings()
    """When the state is saved."""
    guard: GuardSettings = GuardSettings()
    """What happens to bad batches."""
    tensorboard: bool = False
    """Also write the log for TensorBoard."""

    @model_validator(mode="after")
    def _frozen_vectors_are_given(self) -> Self:
        if self.embed_frozen and not self.embed_from:
            raise ValueError(
                "embed_frozen=true would leave the input embedding random; set embed_from to a "
                "file of vectors or a run, or leave embed_frozen out"
            )
        return self

    @model_validator(mode="after")
    def _patience_has_evaluations(self) -> Self:
        if self.regularise.patience and not self.eval_every:
            raise ValueError(
                f"regularise.patience={self.regularise.patience} can stop nothing with "
                "eval_every=0, which evaluates only at the end; set eval_every to the steps "
                "between evaluations, or patience=0"
            )
        return self

    def workers_here(self) -> int:
        """Workers on this machine's CPU, with the default resolved."""
        return min(self.batch, self.workers or min(MOST_WORKERS, torch.get_num_threads()))

    def sequences_at_once(self, context: int) -> int:
        """Sequences of `context` tokens in a micro-batch, with the default resolved.

        The default gives every worker the same number of micro-batches where the batch allows.
        """
        if self.micro:
            return min(self.batch, self.micro)
        pieces = -(-self.batch // max(1, MICRO_TOKENS // context))
        workers = self.workers_here()
        return -(-self.batch // min(self.batch, -(-pieces // workers) * workers))
