"""litgpt's GPT under its own pretraining recipe (Fabric, bf16-true, compiled, chunked loss).

The order of calls is that of `litgpt pretrain`: compile, Fabric set-up, forward, chunked
cross-entropy, clip, AdamW. Embedding and output are tied, as in the other models.
"""

import logging

import lightning as L
import torch
from gate import Gate, arguments, version
from litgpt.config import Config
from litgpt.model import GPT
from litgpt.utils import chunked_cross_entropy


def main() -> None:
    a = arguments()
    logging.getLogger("lightning").setLevel(logging.ERROR)
    precision = "bf16-true" if a.precision == "bf16" else "32-true"
    fabric = L.Fabric(accelerator="cpu", devices=1, precision=precision)
    fabric.seed_everything(0)
    config = Config(
        name="bench",
        block_size=a.context,
        vocab_size=a.vocab,
        padded_vocab_size=a.vocab,
        n_layer=a.layers,
        n_head=a.heads,
        n_embd=a.width,
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="LayerNorm",
        mlp_class_name="GptNeoxMLP",
        intermediate_size=4 * a.width,
    )
    with fabric.init_module(empty_init=False):
        model = GPT(config)
    model.apply(model._init_weights)
    model.transformer.wte.weight = model.lm_head.weight
    parameters = sum(p.numel() for p in model.parameters())
    if a.compile:
        model = torch.compile(model)
    model = fabric.setup(model)
    optimizer = fabric.setup_optimizers(
        torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, betas=(0.9, 0.95))
    )
    gate = Gate(a.warm, parameters=parameters, versions=version("litgpt", "lightning", "torch"))
    data = torch.randint(a.vocab, (64 * a.batch, a.context + 1))
    micro = a.micro or a.batch
    pieces, row = a.batch // micro, 0
    while True:
        for piece in range(pieces):
            rows = data[row : row + micro]
            row = (row + micro) % len(data)
            ids, targets = rows[:, :-1].contiguous().long(), rows[:, 1:].contiguous().long()
            with fabric.no_backward_sync(model, enabled=piece + 1 < pieces):
                loss = chunked_cross_entropy(model(ids), targets)
                fabric.backward(loss / pieces)
        fabric.clip_gradients(model, optimizer, max_norm=1.0)
        optimizer.step()
        optimizer.zero_grad()
        gate.step(loss.item())


if __name__ == "__main__":
    main()
