"""A plain loop over torch.nn.LSTM, or over the steps of an LSTM with peepholes."""

import torch
from gate import Gate, arguments, version
from torch import nn
from torch.nn import functional as F

CLIP = 0.25


class PeepholeLayer(nn.Module):
    """Gers et al. 2002, section 3, operation by operation."""

    def __init__(self, width: int):
        super().__init__()
        self.inputs = nn.Linear(width, 4 * width)
        self.recurrent = nn.Linear(width, 4 * width)
        self.peep = nn.Parameter(torch.zeros(3, width))

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor):
        outputs = []
        for given in self.inputs(x).unbind(1):
            i, f, g, o = (given + self.recurrent(h)).chunk(4, dim=1)
            i, f = torch.sigmoid(i + self.peep[0] * c), torch.sigmoid(f + self.peep[1] * c)
            c = f * c + i * torch.tanh(g)
            h = torch.sigmoid(o + self.peep[2] * c) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h, c


class PeepholeLSTM(nn.Module):
    """Layers of the above, called like nn.LSTM."""

    def __init__(self, width: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList(PeepholeLayer(width) for _ in range(layers))

    def forward(self, x: torch.Tensor, state):
        if state is None:
            zeros = x.new_zeros(len(self.layers), len(x), x.shape[2])
            state = zeros, zeros
        ends = []
        for layer, h, c in zip(self.layers, *state, strict=True):
            x, *end = layer(x, h, c)
            ends.append(end)
        return x, tuple(torch.stack(parts) for parts in zip(*ends, strict=True))


class Plain(nn.Module):
    """What a tutorial has."""

    def __init__(self, cell: str, layers: int, width: int, vocab: int):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        if cell == "lstm":
            self.lstm: nn.Module = nn.LSTM(width, width, layers, batch_first=True)
        else:
            self.lstm = PeepholeLSTM(width, layers)
        self.out = nn.Linear(width, vocab, bias=False)

    def forward(self, ids: torch.Tensor, state):
        hidden, state = self.lstm(self.embedding(ids), state)
        return self.out(hidden), tuple(part.detach() for part in state)


def main() -> None:
    a = arguments()
    torch.manual_seed(0)
    dtype = torch.bfloat16 if a.precision == "bf16" else torch.float32
    model = Plain(a.cell, a.layers, a.width, a.vocab).to(dtype)
    optimizer = torch.optim.AdamW(model.parameters())
    gate = Gate(
        a.warm,
        parameters=sum(p.numel() for p in model.parameters()),
        versions=version("torch"),
    )
    ids = torch.randint(
        a.vocab, (a.batch, a.context + 1), generator=torch.Generator().manual_seed(0)
    )
    state = None
    while True:
        scores, state = model(ids[:, :-1], state)
        loss = F.cross_entropy(scores.flatten(0, 1).float(), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        gate.step(float(loss.detach()))


if __name__ == "__main__":
    main()
