"""Our Transformer of 2017 on pairs under the public training loop."""

import torch
from gate import Gate, arguments, version
from pairs_rows import CLIP, POOL, SMOOTHING, batches, said, settings_of

from lingloom import __version__
from lingloom.train.loop import train
from lingloom.train.objectives.pairs import PairsSettings
from lingloom.train.settings import TrainSettings


def main() -> None:
    a = arguments()
    torch.manual_seed(0)
    model = settings_of(a).build()
    gate = Gate(
        a.warm,
        parameters=sum(p.numel() for p in model.parameters()),
        versions=f"lingloom {__version__} {version('torch')}",
    )
    rows = batches(a)
    training = TrainSettings(
        steps=100_000,
        batch=a.batch,
        precision=a.precision,
        eval_every=0,
        regularise={"clip_norm": CLIP, "label_smoothing": SMOOTHING},
    )
    learn = PairsSettings()
    loop = train(
        model,
        lambda model, batch: learn.loss(model, batch, SMOOTHING),
        lambda step: rows[step % POOL],
        training,
        seed=0,
    )
    for step, record in enumerate(loop):
        gate.step(record.loss, tokens=said(rows[step % POOL]))


if __name__ == "__main__":
    main()
