"""A multi-layer perceptron over the pixels of an image, with gradients by autograd or by hand.

Source: Rumelhart et al. 1986 (Learning representations by back-propagating errors), equations 1-7;
first weights as in Glorot and Bengio 2010, equation 16, and for ReLU as in He et al. 2015, section
2.2. Differs: the outputs are a softmax's scores, and not squashed by themselves. Batch norm: Ioffe
and Szegedy 2015, algorithms 1 and 2; layer norm: Ba et al. 2016, section 3.

Shapes: B images, P pixels, C width, L labels.
"""

from itertools import pairwise
from math import sqrt
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import RecipeError, ShapeError
from ..tokens.batch import Passages
from .dropout import Dropout
from .model import LabelModel, ModelSettings, need_labels, need_vocab

PIXELS = 257
"""Token ids of `tokens.kind` pixels: 256 values and END."""
MOMENTUM = 0.1
"""Share of each batch in the running mean and variance of batch norm."""
NORM_EPS = 1e-5
"""Added to the variance of batch norm."""
Activation = Literal["sigmoid", "relu", "tanh", "none"]


class MLPSettings(ModelSettings):
    """Multi-layer perceptron (Rumelhart et al. 1986)."""

    objectives: ClassVar = ("classify",)

    kind: Literal["mlp"] = "mlp"
    vocab: NonNegativeInt = 0
    """Number of token ids; 0 takes the tokenizer's, which must be of kind pixels."""
    context: PositiveInt = Field(default=784, le=2**21)
    """Pixels of every image."""
    labels: NonNegativeInt = 0
    """Number of labels; 0 takes the data's."""
    layers: PositiveInt = 1
    """Hidden layers."""
    width: PositiveInt = 128
    """Numbers in each hidden layer."""
    activation: Literal["sigmoid", "relu", "tanh"] = "relu"
    """What bends the sums of a hidden layer."""
    gradient: Literal["autograd", "by_hand"] = "autograd"
    """Who derives: torch, or the formulas written out in models/mlp.py. They agree."""
    norm: Literal["none", "batch", "layer"] = "none"
    """What brings the sums of a hidden layer to mean 0 and variance 1 before they are bent: each
    over the images of a batch (batch norm), or each image's own over its layer (layer norm)."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the hidden values dropped while training."""

    @model_validator(mode="after")
    def _what_is_derived_by_hand(self) -> Self:
        if self.norm != "none" and self.gradient == "by_hand":
            raise ValueError(
                f"gradient=by_hand derives layers without norms; set norm=none (now {self.norm}) "
                "or gradient=autograd"
            )
        return self

    @property
    def mixes_rows(self) -> bool:
        return self.norm == "batch"

    def shape(self) -> str:
        return f"{self.layers} hidden layers, width {self.width}, {self.activation}"

    def build(self) -> "MLP":
        need_vocab(self.vocab)
        need_labels(self.labels)
        if self.vocab != PIXELS:
            raise RecipeError(
                f"model.vocab: {self.vocab}, but model.kind mlp reads images, which have {PIXELS} "
                "token ids; set tokens.kind=pixels, or choose another model"
            )
        return MLP(self)


class LayerByHand(torch.autograd.Function):
    """One layer, forward and backward. With upstream gradient da of what the layer gives:

        z = x W^T + b       delta = da * f'(z)
        a = f(z)            dW = delta^T x      db = sum of delta over images      dx = delta W

    The derivative of each f follows from a alone. At the output f is nothing, and da is the softmax
    minus the right answer, as cross-entropy gives it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, f: Activation) -> Tensor:
        z = x @ weight.T + bias  # (B, outputs)
        a = bent(z, f)
        ctx.save_for_backward(x, weight, a)
        ctx.f = f
        return a

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a = ctx.saved_tensors
        delta = grads[0] * slope(a, ctx.f)  # (B, outputs)
        d_weight = delta.T @ x
        d_bias = delta.sum(0)
        d_x = delta @ weight
        return d_x, d_weight, d_bias, None


def bent(z: Tensor, f: Activation) -> Tensor:
    """a = f(z)."""
    if f == "sigmoid":
        return torch.sigmoid(z)  # 1 / (1 + exp(-z))
    if f == "tanh":
        return torch.tanh(z)
    return z.clamp(min=0) if f == "relu" else z


def slope(a: Tensor, f: Activation) -> Tensor:
    """f'(z), from a = f(z)."""
    if f == "sigmoid":
        return a * (1 - a)
    if f == "tanh":
        return 1 - a * a
    return (a > 0).to(a.dtype) if f == "relu" else torch.ones_like(a)


class BatchNorm(nn.Module):
    """(z - mean) / sqrt(variance + eps) * weight + bias, unit by unit, with the mean and variance
    over the batch while training, and what they came to on the way afterwards.

    Source: Ioffe and Szegedy 2015 (Batch Normalization), algorithms 1 and 2; the running values are
    moving averages, as in the paper's section 3.1.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, z: Tensor) -> Tensor:
        images, mean, variance = len(z), self.mean, self.variance
        if self.training:
            mean, variance = z.float().mean(0), z.float().var(0, correction=0)
            with torch.no_grad():
                self.mean.lerp_(mean, MOMENTUM)
                self.variance.lerp_(variance * (images / max(1, images - 1)), MOMENTUM)
        scale = self.weight * (variance + NORM_EPS).rsqrt()
        return ((z - mean) * scale + self.bias).to(z.dtype)


class MLP(LabelModel):
    """Layers one above the other; the last one scores the labels."""

    def __init__(self, settings: MLPSettings):
        super().__init__()
        self.settings = settings
        self.drop = Dropout(settings.dropout)
        widths = [settings.context, *[settings.width] * settings.layers, settings.labels]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))
        for layer in self._each():
            self._draw_weights(layer)
        if settings.norm != "none":
            norm = BatchNorm if settings.norm == "batch" else nn.LayerNorm
            self.norms = nn.ModuleList(norm(settings.width) for _ in range(settings.layers))

    def _each(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def _draw_weights(self, layer: nn.Linear) -> None:
        """Uniform within sqrt(6 / (inputs + outputs)), for ReLU sqrt(6 / inputs); biases 0."""
        outputs, inputs = layer.weight.shape
        limit = sqrt(6 / (inputs if self.settings.activation == "relu" else inputs + outputs))
        nn.init.uniform_(layer.weight, -limit, limit)
        nn.init.zeros_(layer.bias)

    def hidden(self, batch: Passages) -> Tensor:
        """The last hidden layer, (B, C) in the working precision.

        Raises:
            ShapeError: the images have another number of pixels than the model.
        """
        pixels = batch.ids.shape[1]
        if pixels != self.settings.context:
            raise ShapeError(
                f"{pixels} pixels are not the {self.settings.context} of model.context; give "
                "images of one size, and set model.context to their number of pixels"
            )
        x = batch.ids.masked_fill(~batch.seen, 0)
        x = (x / 255).to(self._each()[0].weight.dtype)  # (B, P), 0 to 1
        for i, layer in enumerate(self._each()[:-1]):
            if self.settings.norm == "none":
                x = self._through(layer, x, self.settings.activation)
            else:
                z = self.norms[i](self._through(layer, x, "none"))
                x = bent(z, self.settings.activation)
            x = self.drop(x)
        return x

    def label_scores(self, hidden: Tensor, rows: Passages) -> Tensor:
        return self._through(self._each()[-1], hidden, "none").float()

    def _through(self, layer: nn.Linear, x: Tensor, f: Activation) -> Tensor:
        if self.settings.gradient == "by_hand":
            a: Tensor = LayerByHand.apply(x, layer.weight, layer.bias, f)
            return a
        return bent(F.linear(x, layer.weight, layer.bias), f)

    def flops_per_token(self, context: int) -> float:
        """Of one pixel: two per weight of the whole network, shared by all pixels."""
        return sum(2.0 * layer.weight.numel() for layer in self._each()) / self.settings.context
