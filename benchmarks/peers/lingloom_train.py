"""Our GPT-2 class or Llama class under the public training loop, with its defaults."""

import torch
from gate import Gate, arguments, version

from lingloom import __version__
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.llama import LlamaSettings
from lingloom.tokens.batch import Batch
from lingloom.train.loop import train
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.settings import TrainSettings


def main() -> None:
    a = arguments()
    sizes = {name: getattr(a, name) for name in ("layers", "heads", "width", "context", "vocab")}
    settings = LlamaSettings(**sizes) if a.kind == "llama" else GPT2Settings(**sizes, bias=False)
    torch.manual_seed(0)
    model = settings.build()
    gate = Gate(
        a.warm,
        parameters=sum(p.numel() for p in model.parameters()),
        versions=f"lingloom {__version__} {version('torch')}",
    )
    ids = torch.randint(a.vocab, (64, a.batch, a.context + 1))

    def batch_of(step: int) -> Batch:
        rows = ids[step % len(ids)]
        return Batch(rows[:, :-1], rows[:, 1:])

    training = TrainSettings(
        steps=100_000,
        batch=a.batch,
        micro=a.micro,
        precision=a.precision,
        compile=bool(a.compile),
        eval_every=0,
    )
    for record in train(model, next_token, batch_of, training, seed=0):
        gate.step(record.loss)


if __name__ == "__main__":
    main()
