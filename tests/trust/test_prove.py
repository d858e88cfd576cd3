from dataclasses import replace

import numpy as np
import pytest
import torch

from lingloom.models.decode import DecodeSettings
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.llama import LlamaSettings
from lingloom.models.ngram import NGramSettings
from lingloom.models.rnn import RNNSettings
from lingloom.text.document import Document
from lingloom.tokens.batch import Batch
from lingloom.tokens.batches import Batches
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.shards import Shards
from lingloom.tokens.words import WordsSettings
from lingloom.tokens.write import write_shards
from lingloom.train.objectives.next_token import NextTokenSettings
from lingloom.train.progress import Progress
from lingloom.train.schedule import CosineSettings
from lingloom.train.settings import RegulariseSettings, TrainSettings
from lingloom.trust import serving_proofs, training_proofs
from lingloom.trust.evidence import Evidence
from lingloom.trust.prove import prove

CONTEXT = 32
TEXTS = [f"document {i}: " + "from text to tokens, 从前有座山 " * (i % 4 + 1) for i in range(24)]
NEURAL = [
    LlamaSettings(vocab=257, context=CONTEXT, width=32, layers=2, heads=2, dropout=0.1),
    GPT2Settings(vocab=257, context=CONTEXT, width=32, layers=2, heads=2),
    RNNSettings(vocab=257, context=CONTEXT, width=32),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    rows = [
        ("heldout" if i % 4 == 0 else "train", Document(text, f"d{i}", "test"))
        for i, text in enumerate(TEXTS)
    ]
    list(write_shards(rows, BytesSettings().train(TEXTS), folder))
    return folder


def evidence(folder, settings=NEURAL[0], precision="fp32", packing="stream"):
    torch.manual_seed(1)
    train = TrainSettings(
        steps=50,
        batch=12,
        precision=precision,
        packing=packing,
        schedule=CosineSettings(warmup=40),
        regularise=RegulariseSettings(patience=2, ema=0.9),
    )
    return Evidence(
        settings.build(),
        BytesSettings().train(TEXTS),
        Shards.open(folder, "heldout"),
        train,
        decode=DecodeSettings(temperature=1.0),
        open_order=lambda: Batches(Shards.open(folder, "train"), CONTEXT, 12, 5, packing),
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("settings", NEURAL, ids=lambda s: s.kind)
def test_every_promise_holds_on_a_small_run(folder, settings, precision):
    packing = "carried" if type(settings).carries else "stream"
    run = evidence(folder, settings, precision, "documents" if precision == "bf16" else packing)
    before = {name: w.clone() for name, w in run.model.state_dict().items()}
    proofs = list(prove(run))
    assert [p.name for p in proofs] == [
        "accumulation = full batch",
        "resumed = straight",
        "the order of the data is pure",
        "packed = unpacked",
        "exported = trained",
        "exported = trained, elsewhere",
        "training prompt = serving prompt",
        "decoding = training",
        "same seed, same text",
    ]
    failed = {p.name: dict(p.numbers) for p in proofs if p.passed is False}
    assert not failed
    assert all(torch.equal(before[n], w) for n, w in run.model.state_dict().items())


def test_an_n_gram_is_proved_where_its_promises_apply(folder):
    run = evidence(folder)
    model = NGramSettings(order=3, vocab=257, end=256, context=CONTEXT).build()
    model.fit(np.array(run.tokenizer.encode(t)) for t in TEXTS)
    proofs = {p.name: p for p in prove(replace(run, model=model, open_order=None))}
    assert "resumed = straight" not in proofs
    assert proofs["exported = trained, elsewhere"].passed is None
    assert [n for n, p in proofs.items() if p.passed is not True] == [
        "exported = trained, elsewhere"
    ]


def test_a_row_that_leaks_between_documents_is_found(folder, monkeypatch):
    run = evidence(folder)
    right = run.model.hidden
    monkeypatch.setattr(
        run.model, "hidden", lambda batch: right(Batch(batch.ids, batch.targets, None))
    )
    proof = training_proofs.packing(run)
    assert proof.passed is False
    assert proof.numbers["largest difference"] > proof.tolerance


def test_micro_batches_that_change_the_gradient_are_found(folder, monkeypatch):
    right = NextTokenSettings.loss

    def mean(self, model, batch, label_smoothing=0.0):
        loss, count = right(self, model, batch)
        return loss / count, 1 if len(batch.ids) == 1 else count

    monkeypatch.setattr(NextTokenSettings, "loss", mean)
    assert training_proofs.accumulation(evidence(folder)).passed is False


def test_a_resume_that_forgets_the_optimizer_is_found(folder, monkeypatch):
    go_back = Progress.go_back

    def forgetful(self, state):
        go_back(self, state)
        for tensor in self.optimizer.state.values():
            tensor.zero_()

    monkeypatch.setattr(Progress, "go_back", forgetful)
    proof = training_proofs.resume(evidence(folder))
    straight, resumed = proof.numbers["losses straight"], proof.numbers["losses resumed"]
    assert proof.passed is False
    assert straight[:4] == resumed[:4]
    assert straight[4:] != resumed[4:]


def test_data_that_depends_on_what_was_read_before_is_found(folder):
    class Wandering(Batches):
        def at(self, step):
            self.seed += 1
            return super().at(step)

    run = evidence(folder)
    shards = Shards.open(folder, "train")
    moving = replace(run, open_order=lambda: Wandering(shards, CONTEXT, 12, 5))
    assert training_proofs.order(run).passed is True
    assert training_proofs.order(moving).passed is False


def test_a_window_that_comes_twice_is_found(folder, monkeypatch):
    right = Batches.starts
    monkeypatch.setattr(Batches, "starts", lambda self, step: right(self, step // 2))
    assert training_proofs.order(evidence(folder)).passed is False


def test_a_cache_that_forgets_is_found(folder, monkeypatch):
    run = evidence(folder)
    right = run.model.step
    fresh = lambda ids, cache: right(ids, run.model.new_cache(1, CONTEXT))  # noqa: E731
    monkeypatch.setattr(run.model, "step", fresh)
    assert serving_proofs.decode_path(run).passed is False


def test_prompts_that_read_differently_name_the_first_document(folder, monkeypatch):
    run = evidence(folder)
    monkeypatch.setattr(run.tokenizer, "decode", lambda ids: "x")
    proof = serving_proofs.prompts(run)
    assert proof.passed is False
    assert proof.numbers == {"documents": 6, "equal": 0, "first that differs": "d0"}


def test_documents_with_unknown_words_say_nothing_about_prompts(folder):
    run = evidence(folder)
    words = WordsSettings(vocab=4, segment="none").train(TEXTS)

    class Unknown:
        documents = 3

        def document(self, index):
            return np.array([words.unknown, 1])

    proof = serving_proofs.prompts(replace(run, tokenizer=words, heldout=Unknown()))
    assert proof.passed is None
    assert proof.row().numbers == "skipped every document tried has unknown words"


def test_a_proof_reads_as_one_row(folder):
    row = training_proofs.accumulation(evidence(folder)).row()
    assert row.passed is True
    assert row.numbers.startswith("micro 8 / 4 / 1, loss in nats 5.")
    assert row.numbers.endswith("(at most 1e-05 passes)")
