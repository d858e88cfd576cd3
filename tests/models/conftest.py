"""What the tables of promises share."""

import pytest
import torch

from lingloom.train.parameters import Parameters


@pytest.fixture(scope="session")
def autograd():
    """(mean loss, its gradient) of `rows` at once, as whole tables: `autograd(model, loss, rows)`;
    what a step must come to however it is computed."""

    def found(model, objective, rows):
        parameters = Parameters(model, torch.float32)
        loss, count = objective(model, rows)
        loss.backward()
        parameters.collect(0)
        return float(loss.detach()) / count, parameters.grad / count

    return found
