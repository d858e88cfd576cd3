"""Our BERT taught by hidden tokens under the public training loop, with its defaults."""

import torch
from gate import Gate, arguments, version

from lingloom import __version__
from lingloom.models.bert import BertSettings
from lingloom.tokens.masked import Masked
from lingloom.train.loop import train
from lingloom.train.objectives.masked_token import MaskedTokenSettings
from lingloom.train.settings import TrainSettings


def main() -> None:
    a = arguments()
    sizes = {name: getattr(a, name) for name in ("layers", "heads", "width", "context", "vocab")}
    torch.manual_seed(0)
    model = BertSettings(**sizes).build()
    gate = Gate(
        a.warm,
        parameters=sum(p.numel() for p in model.parameters()),
        versions=f"lingloom {__version__} {version('torch')}",
    )
    hidden = round(0.15 * a.context)

    def batch_of(step: int) -> Masked:
        draw = torch.Generator().manual_seed(step % 64)
        ids = torch.randint(a.vocab, (a.batch, a.context), generator=draw)
        places = torch.rand(a.batch, a.context, generator=draw).argsort(1)[:, :hidden]
        seen = torch.ones_like(ids, dtype=torch.bool)
        return Masked(ids, seen, targets=ids.gather(1, places), places=places)

    batches = [batch_of(step) for step in range(64)]
    training = TrainSettings(
        steps=100_000, batch=a.batch, micro=a.micro, precision=a.precision, eval_every=0
    )
    learn = MaskedTokenSettings().loss
    for record in train(model, learn, lambda i: batches[i % 64], training, seed=0):
        gate.step(record.loss)


if __name__ == "__main__":
    main()
