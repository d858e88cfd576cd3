"""Held-out text read on and on by a model that carries its state."""

import numpy as np
import pytest
import torch

from lingloom.errors import RecipeError
from lingloom.measure.perplexity import MeasureSettings, document_costs, perplexity
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.rnn import RNNSettings
from lingloom.text.document import Document
from lingloom.tokens.batch import Batch
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.shards import Shards
from lingloom.tokens.write import write_shards
from lingloom.train.objectives.cross_entropy import token_nats

TEXTS = ["a" * 3, "to be or not to be", "", "x", "from text to tokens " * 2, "七 = 7"]
TOKENIZER = BytesSettings().train([])
END = TOKENIZER.end


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return RNNSettings(vocab=257, context=8, layers=2, width=12, init_range=0.5).build().eval()


@pytest.fixture
def shards(tmp_path):
    rows = [("heldout", Document(text, f"d{i}", "t")) for i, text in enumerate(TEXTS)]
    list(write_shards(rows, TOKENIZER, tmp_path))
    return Shards.open(tmp_path, "heldout")


def at_once(model, ids):
    row = torch.tensor([ids])
    return token_nats(model, Batch(row[:, :-1], row[:, 1:]))[0].double().numpy()


@pytest.mark.parametrize("batch", [1, 2, 16])
def test_a_long_document_costs_what_it_costs_in_one_row(model, shards, batch):
    table = document_costs(model, shards, TOKENIZER, MeasureSettings(batch=batch))
    expected = [at_once(model, [END, *TOKENIZER.encode(t), END]).sum() for t in TEXTS]
    np.testing.assert_allclose(table.nats, expected, rtol=1e-5)
    assert list(table.targets) == [len(TOKENIZER.encode(t)) + 1 for t in TEXTS]


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "streamed"])
def test_joined_documents_cost_what_one_stretch_costs(model, shards, stored, monkeypatch):
    monkeypatch.setattr(
        "lingloom.measure.perplexity.PIECE_BYTES", 50
    )  # pieces of a document or two
    documents = shards if stored else [Document(t, f"d{i}", "t") for i, t in enumerate(TEXTS)]
    table = document_costs(model, documents, TOKENIZER, MeasureSettings(carried=True))
    ids = [END]
    for text in TEXTS:
        ids += [*TOKENIZER.encode(text), END]
    costs = np.split(at_once(model, ids), np.cumsum(table.targets)[:-1])
    np.testing.assert_allclose(table.nats, [each.sum() for each in costs], rtol=1e-5)
    assert list(table.targets) == [len(TOKENIZER.encode(t)) + 1 for t in TEXTS]


def test_the_score_says_that_the_state_was_carried(model, shards):
    apart, joined = (
        perplexity(model, shards, TOKENIZER, MeasureSettings(carried=carried, resamples=20))
        for carried in (False, True)
    )
    assert "carried" not in apart.scores[0].fixes and joined.scores[0].fixes["carried"] is True
    assert "stride" not in apart.scores[0].fixes
    assert apart.scores[0].n == joined.scores[0].n == len(TEXTS)


def test_a_model_without_a_state_is_refused(shards):
    model = GPT2Settings(vocab=257, context=8, layers=1, heads=1, width=8).build()
    with pytest.raises(RecipeError, match=r"measure\.carried=true: model\.kind gpt2 has no state"):
        perplexity(model, shards, TOKENIZER, MeasureSettings(carried=True))
