"""A multi-layer perceptron over the pixels of an image, with gradients by autograd or by hand.

Source: Rumelhart et al. 1986 (Learning representations by back-propagating errors), equations 1-7;
first weights as in Glorot and Bengio 2010, equation 16, and for ReLU as in He et al. 2015, section
2.2. Differs: the outputs are a softmax's scores, and not squashed by themselves.

Shapes: B images, P pixels, C width, L labels.
"""

from itertools import pairwise
from math import sqrt
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import RecipeError, ShapeError
from ..tokens.batch import Passages
from .model import LabelModel, ModelSettings, need_labels, need_vocab

PIXELS = 257
"""Token ids of `tokens.kind` pixels: 256 values and END."""
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
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the hidden values dropped while training."""

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


class MLP(LabelModel):
    """Layers one above the other; the last one scores the labels."""

    def __init__(self, settings: MLPSettings):
        super().__init__()
        self.settings = settings
        widths = [settings.context, *[settings.width] * settings.layers, settings.labels]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))
        for layer in self._each():
            self._draw_weights(layer)

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
        for layer in self._each()[:-1]:
            x = self._through(layer, x, self.settings.activation)
            x = F.dropout(x, self.settings.dropout) if self.training else x
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
