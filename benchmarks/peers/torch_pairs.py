"""A plain loop over torch.nn.Transformer on pairs; bf16 is bf16 alone."""

import torch
from gate import Gate, arguments, version
from pairs_rows import CLIP, POOL, SMOOTHING, batches, said, settings_of
from torch import nn
from torch.nn import functional as F

from lingloom.models.transformer import TransformerSettings, sinusoids
from lingloom.tokens.batch import IGNORE, PairBatch


class Plain(nn.Module):
    """What a tutorial has."""

    def __init__(self, s: TransformerSettings):
        super().__init__()
        self.scale = s.width**0.5
        self.embedding = nn.Embedding(s.vocab, s.width)
        nn.init.normal_(self.embedding.weight, std=s.width**-0.5)
        self.transformer = nn.Transformer(
            s.width, s.heads, s.layers, s.layers, s.inside, s.dropout, batch_first=True
        )
        self.drop = nn.Dropout(s.dropout)
        for part in self.transformer.modules():  # ours drops what parts add, and nothing within
            if isinstance(part, nn.MultiheadAttention):
                part.dropout = 0.0
            elif isinstance(part, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
                part.dropout.p = 0.0
        self.register_buffer("places", sinusoids(s.context, s.width, torch.device("cpu")))

    def forward(self, rows: PairBatch) -> torch.Tensor:
        hidden = rows.source_seen.logical_not()
        T = rows.ids.shape[1]
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        x = self.transformer(
            self._embedded(rows.source),
            self._embedded(rows.ids),
            tgt_mask=future,
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
            tgt_is_causal=True,
        )
        return x @ self.embedding.weight.T

    def _embedded(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embedding(ids) * self.scale
        return self.drop(x + self.places[: ids.shape[1]].to(x.dtype))


def main() -> None:
    a = arguments()
    torch.manual_seed(0)
    dtype = torch.bfloat16 if a.precision == "bf16" else torch.float32
    model = Plain(settings_of(a)).to(dtype).train()
    optimizer = torch.optim.AdamW(model.parameters())
    gate = Gate(
        a.warm,
        parameters=sum(p.numel() for p in model.parameters()),
        versions=version("torch"),
    )
    rows = batches(a)
    for step in range(100_000):
        batch = rows[step % POOL]
        scores = model(batch).flatten(0, 1).float()
        loss = F.cross_entropy(
            scores, batch.targets.flatten(), ignore_index=IGNORE, label_smoothing=SMOOTHING
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        gate.step(float(loss.detach()), tokens=said(batch))


if __name__ == "__main__":
    main()
