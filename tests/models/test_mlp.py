"""The multi-layer perceptron: its gradients by hand, and a worked example."""

import pytest
import torch

from lingloom.errors import RecipeError, ShapeError
from lingloom.loading import load
from lingloom.models.mlp import BatchNorm, MLPSettings, bent, slope
from lingloom.models.port import load_model, save_model
from lingloom.recipe import Recipe
from lingloom.tokens.batch import Passages
from lingloom.train.loop import train
from lingloom.train.objectives.classify import ClassifySettings
from lingloom.train.settings import TrainSettings

ACTIVATIONS = ["sigmoid", "relu", "tanh"]
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def images(count=5, pixels=12, labels=4, seed=0):
    chance = torch.Generator().manual_seed(seed)
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


def test_batch_norm_is_torchs_and_its_running_values_are_too():
    ours, theirs, chance = BatchNorm(3), torch.nn.BatchNorm1d(3), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
            norm.bias.copy_(torch.tensor([0.0, 1.0, 3.0]))
    for _ in range(4):
        z = torch.randn(5, 3, generator=chance) * 3 + 1
        torch.testing.assert_close(ours(z), theirs(z))
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    torch.testing.assert_close(ours.variance, theirs.running_var)
    torch.testing.assert_close(ours.eval()(z), theirs.eval()(z))


def test_a_batch_worked_out_on_paper():
    """(1, 3, 5): mean 3, variance 8/3, so (-2, 0, 2) / 1.63299 = (-1.2247, 0, 1.2247)."""
    out = BatchNorm(1)(torch.tensor([[1.0], [3.0], [5.0]]))
    torch.testing.assert_close(out, torch.tensor([[-1.22474], [0.0], [1.22474]]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_running_values_are_resumed_taken_back_and_saved(tmp_path, precision):
    """With batch norm a run that is stopped goes on to the same bits, a bad step leaves no trace,
    and the saved model computes what the trained one did."""

    def trained(folder, stop_after, bad=None):
        model, step = built(norm="batch"), 0
        objective = ClassifySettings().loss

        def loss(model, rows):
            found, count = objective(model, rows)
            return (found * torch.nan if step == bad else found), count

        records = train(
            model,
            loss,
            lambda at: images(seed=at),
            TrainSettings(steps=6, batch=5, precision=precision, eval_every=0),
            seed=0,
            checkpoints=folder,
            stop=lambda: step + 1 >= stop_after,
        )
        for record in records:
            step = record.step
        return model

    whole = trained(tmp_path / "a", 6)
    trained(tmp_path / "b", 3)
    again = trained(tmp_path / "b", 6)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert not torch.equal(whole.norms[0].mean, torch.zeros(6))
    assert trained(tmp_path / "c", 6, bad=2).norms[0].mean.isfinite().all()
    save_model(whole, tmp_path / "model")
    opened = load_model(tmp_path / "model")
    torch.testing.assert_close(opened.hidden(images()), whole.eval().hidden(images()))


def test_batch_norm_takes_a_batch_whole(tmp_path):
    recipe = {
        "text": {"read": "x", "label_field": "y"},
        "tokens": "pixels",
        "model": {"kind": "mlp", "norm": "batch"},
        "train": {"micro": 4},
    }
    with pytest.raises(RecipeError, match="train.micro: 4 cannot be with batch norm"):
        load(Recipe, recipe)


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
