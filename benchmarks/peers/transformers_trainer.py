"""GPT-2 under the transformers Trainer, as its users run it: fp32, or bf16=True."""

import tempfile

import torch
from gate import Gate, arguments, version
from torch.utils.data import Dataset
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)


class RandomTokens(Dataset):
    """Rows of token ids; the labels are the ids, which the model shifts itself."""

    def __init__(self, rows: int, context: int, vocab: int):
        self.ids = torch.randint(vocab, (rows, context))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.ids[row], "labels": self.ids[row]}


class Steps(TrainerCallback):
    def __init__(self, gate: Gate):
        self.gate = gate

    def on_step_end(self, args, state, control, **_):
        self.gate.step()


def main() -> None:
    a = arguments()
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=a.vocab,
        n_positions=a.context,
        n_embd=a.width,
        n_layer=a.layers,
        n_head=a.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    config.use_cache = False
    model = GPT2LMHeadModel(config)
    settings = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=a.micro or a.batch,
        gradient_accumulation_steps=a.batch // (a.micro or a.batch),
        max_steps=100_000,
        learning_rate=1e-3,
        weight_decay=0.1,
        max_grad_norm=1.0,
        bf16=a.precision == "bf16",
        torch_compile=bool(a.compile),
        use_cpu=True,
        save_strategy="no",
        report_to=[],
        logging_steps=50,
        disable_tqdm=True,
    )
    gate = Gate(
        a.warm,
        parameters=sum(p.numel() for p in model.parameters()),
        versions=version("transformers", "torch"),
    )
    data = RandomTokens(a.batch * 64, a.context, a.vocab)
    Trainer(model=model, args=settings, train_dataset=data, callbacks=[Steps(gate)]).train()


if __name__ == "__main__":
    main()
