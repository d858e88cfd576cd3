"""The multi-layer perceptron: its gradients by hand, and a worked example."""

import pytest
import torch

from lingloom.errors import RecipeError, ShapeError
from lingloom.models.mlp import MLPSettings, bent, slope
from lingloom.tokens.batch import Passages
from lingloom.train.objectives.classify import ClassifySettings

ACTIVATIONS = ["sigmoid", "relu", "tanh"]
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def images(count=5, pixels=12, labels=4):
    chance = torch.Generator().manual_seed(0)
    ids = torch.randint(256, (count, pixels), generator=chance)
    told = torch.randint(labels, (count,), generator=chance)
    return Passages(ids, torch.ones_like(ids, dtype=torch.bool), labels=told)


def built(**settings):
    torch.manual_seed(0)
    return MLPSettings(vocab=257, context=12, labels=4, width=6, **settings).build()


@every_activation
@pytest.mark.parametrize("layers", [1, 3])
def test_the_gradients_by_hand_are_those_of_autograd(activation, layers):
    rows, found = images(), []
    for gradient in ("autograd", "by_hand"):
        model = built(activation=activation, layers=layers, gradient=gradient)
        loss, count = ClassifySettings().loss(model, rows)
        (loss / count).backward()
        found.append((loss, [p.grad for p in model.parameters()]))
    (loss, expected), (same, by_hand) = found
    assert same.item() == pytest.approx(loss.item(), abs=1e-6)
    for a, b in zip(expected, by_hand, strict=True):
        torch.testing.assert_close(b, a, rtol=0, atol=1e-6)


@every_activation
def test_slopes_are_those_of_small_differences(activation):
    z = torch.linspace(-3, 3, 8, dtype=torch.float64)
    rise = (bent(z + 1e-6, activation) - bent(z - 1e-6, activation)) / 2e-6
    torch.testing.assert_close(slope(bent(z, activation), activation), rise, rtol=0, atol=1e-8)


def test_a_network_worked_out_on_paper():
    """Two pixels, two sigmoid units, two labels. Of the white pixel z = (1, -1), a = (0.7311,
    0.2689), scores (0.7311, 0.2689 + 0.5), loss = log(1 + exp(0.7311 - 0.7689)) for label 1."""
    model = MLPSettings(
        vocab=257, context=2, labels=2, width=2, activation="sigmoid", gradient="by_hand"
    ).build()
    with torch.no_grad():
        model.layers[0].weight.copy_(torch.tensor([[1.0, 5.0], [-1.0, 7.0]]))
        model.layers[1].weight.copy_(torch.eye(2))
        model.layers[1].bias.copy_(torch.tensor([0.0, 0.5]))
    rows = Passages(
        torch.tensor([[255, 0]]), torch.ones(1, 2, dtype=torch.bool), labels=torch.tensor([1])
    )
    loss, count = ClassifySettings().loss(model, rows)
    assert count == 1
    assert loss.item() == pytest.approx(0.674385, abs=1e-5)
    loss.backward()
    # p = (0.49053, 0.50947); delta = p - (0, 1); through a (1 - a) = 0.19661
    torch.testing.assert_close(
        model.layers[1].bias.grad, torch.tensor([0.49053, -0.49053]), rtol=0, atol=1e-5
    )
    torch.testing.assert_close(
        model.layers[0].weight.grad,
        torch.tensor([[0.09644, 0.0], [-0.09644, 0.0]]),
        rtol=0,
        atol=1e-5,
    )


def test_images_of_another_size_and_other_tokens_are_refused():
    with pytest.raises(ShapeError) as error:
        built().hidden(images(pixels=9))
    assert str(error.value) == (
        "9 pixels are not the 12 of model.context; give images of one size, and set model.context "
        "to their number of pixels"
    )
    with pytest.raises(
        RecipeError, match="reads images, which have 257 token ids; set tokens.kind"
    ):
        MLPSettings(vocab=100, labels=2).build()
