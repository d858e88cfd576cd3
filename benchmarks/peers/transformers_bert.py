"""transformers' BertForMaskedLM in a plain loop: fp32, or bf16 by autocast."""

import torch
from gate import Gate, arguments, version
from transformers import BertConfig, BertForMaskedLM


def main() -> None:
    a = arguments()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=a.vocab,
        max_position_embeddings=a.context,
        hidden_size=a.width,
        intermediate_size=4 * a.width,
        num_hidden_layers=a.layers,
        num_attention_heads=a.heads,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForMaskedLM(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    gate = Gate(
        a.warm,
        parameters=sum(p.numel() for p in model.parameters()),
        versions=version("transformers", "torch"),
    )
    hidden = round(0.15 * a.context)

    def batch_of(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        draw = torch.Generator().manual_seed(step % 64)
        ids = torch.randint(a.vocab, (a.batch, a.context), generator=draw)
        places = torch.rand(a.batch, a.context, generator=draw).argsort(1)[:, :hidden]
        labels = torch.full_like(ids, -100).scatter(1, places, ids.gather(1, places))
        return ids, labels

    batches = [batch_of(step) for step in range(64)]
    seen = torch.ones(a.batch, a.context, dtype=torch.int64)
    for step in range(100_000):
        ids, labels = batches[step % 64]
        with torch.autocast("cpu", torch.bfloat16, enabled=a.precision == "bf16"):
            loss = model(input_ids=ids, attention_mask=seen, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        gate.step(float(loss.detach()))


if __name__ == "__main__":
    main()
