"""nanoGPT's model and training step (bf16 autocast, compiled), from a checkout named by --source.

The order of calls is that of its train.py: autocast forward, backward, clip, AdamW, zero.
"""

import contextlib
import sys

import torch
from gate import Gate, arguments, version


def main() -> None:
    a = arguments()
    sys.path.insert(0, a.source)
    from model import GPT, GPTConfig

    torch.manual_seed(0)
    config = GPTConfig(
        block_size=a.context,
        vocab_size=a.vocab,
        n_layer=a.layers,
        n_head=a.heads,
        n_embd=a.width,
        dropout=0.0,
        bias=False,
    )
    with contextlib.redirect_stdout(sys.stderr):
        model = GPT(config)
        optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.95), "cpu")
    parameters = sum(p.numel() for p in model.parameters())
    if a.compile:
        model = torch.compile(model)
    low = torch.autocast("cpu", torch.bfloat16, enabled=a.precision == "bf16")
    gate = Gate(a.warm, parameters=parameters, versions=version("torch"))
    data = torch.randint(a.vocab, (64 * a.batch * (a.context + 1),))
    steps = torch.arange(a.context + 1)
    while True:
        place = torch.randint(len(data) - a.context - 1, (a.batch, 1))
        rows = data[place + steps]
        with low:
            _, loss = model(rows[:, :-1].contiguous(), rows[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        gate.step(loss.item())


if __name__ == "__main__":
    main()
