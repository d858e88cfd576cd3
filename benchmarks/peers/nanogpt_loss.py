"""Loss of a nanoGPT checkpoint on a whole validation file: `nanogpt_loss.py CKPT VAL.BIN`, run in
the checkout. Prints {"loss": nats per token over all windows end to end, "parameters": count}."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path.cwd()))


def main() -> None:
    from model import GPT, GPTConfig  # nanoGPT's own

    found = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
    model = GPT(GPTConfig(**found["model_args"]))
    model.load_state_dict(found["model"])
    model.eval()
    ids = torch.from_numpy(np.fromfile(sys.argv[2], dtype=np.uint16).astype(np.int64))
    context = found["model_args"]["block_size"]
    windows = (len(ids) - 1) // context
    given = ids[: windows * context].view(windows, context)
    following = ids[1 : windows * context + 1].view(windows, context)
    nats = 0.0
    with torch.no_grad():
        for some, targets in zip(given.split(256), following.split(256), strict=True):
            _, loss = model(some, targets)
            nats += float(loss) * targets.numel()
    print(json.dumps({"loss": nats / (windows * context),
                      "parameters": sum(p.numel() for p in model.parameters())}))  # fmt: skip


if __name__ == "__main__":
    main()
