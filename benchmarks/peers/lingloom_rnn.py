"""Our LSTMs under the public training loop, with carried state."""

import torch
from gate import Gate, arguments, version

from lingloom import __version__
from lingloom.models.rnn import RNNSettings
from lingloom.tokens.batch import Batch
from lingloom.train.loop import train
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.settings import TrainSettings

CLIP = 0.25


def main() -> None:
    a = arguments()
    sizes = {name: getattr(a, name) for name in ("layers", "width", "context", "vocab")}
    torch.manual_seed(0)
    model = RNNSettings(cell=a.cell, tied=False, **sizes).build()
    gate = Gate(
        a.warm,
        parameters=sum(p.numel() for p in model.parameters()),
        versions=f"lingloom {__version__} {version('torch')}",
    )
    ids = torch.randint(
        a.vocab, (a.batch, a.context + 1), generator=torch.Generator().manual_seed(0)
    )
    training = TrainSettings(
        steps=100_000,
        batch=a.batch,
        precision=a.precision,
        packing="carried",
        eval_every=0,
        regularise={"clip_norm": CLIP},
    )

    def batch_of(step: int) -> Batch:
        return Batch(ids[:, :-1], ids[:, 1:], goes_on=step > 0)

    for record in train(model, next_token, batch_of, training, seed=0):
        gate.step(record.loss)


if __name__ == "__main__":
    main()
