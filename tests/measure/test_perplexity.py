import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lingloom.errors import DataError
from lingloom.measure import perplexity as module
from lingloom.measure.perplexity import MeasureSettings, document_costs, perplexity
from lingloom.models.llama import LlamaSettings
from lingloom.models.ngram import NGramSettings
from lingloom.models.port import save_model
from lingloom.text.document import Document
from lingloom.tokens.batch import IGNORE
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.characters import CharactersSettings
from lingloom.tokens.words import WordsSettings

BYTES = BytesSettings().train(["any"])
QUICK = MeasureSettings(resamples=50, batch=3)


def documents(*texts):
    return [Document(text, f"d{i}", "test") for i, text in enumerate(texts)]


class Uniform:
    """Every token as likely as any other."""

    def __init__(self, vocab, context=16):
        self.settings = SimpleNamespace(vocab=vocab, context=context)

    def logits(self, batch):
        return torch.zeros(*batch.ids.shape, self.settings.vocab)


class Priced(Uniform):
    """A target costs what the price list says, whatever stands before it."""

    def __init__(self, prices, context=16):
        super().__init__(len(prices), context)
        self.prices = torch.tensor(prices, dtype=torch.float32)

    def token_nats(self, batch):
        cost = self.prices[batch.targets.clamp(min=0)]
        return cost.masked_fill(batch.targets == IGNORE, 0.0)


class Store:
    """Documents already tokenised."""

    def __init__(self, texts, tokenizer):
        self.texts, self.ids = texts, tokenizer.encode_batch([d.text for d in texts])
        self.documents = len(texts)

    def document(self, index):
        return self.ids[index]

    def document_bytes(self, index):
        return len(self.texts[index].text.encode())

    def document_id(self, index):
        return self.texts[index].id


def tiny_llama(context=24):
    torch.manual_seed(0)
    settings = LlamaSettings(vocab=257, context=context, width=32, layers=2, heads=2)
    return settings.build().eval()


def test_a_uniform_model_needs_8_bits_per_byte_when_the_end_is_free():
    prices = [math.log(256)] * 256 + [0.0]
    assert BYTES.end == 256
    bits = perplexity(Priced(prices), documents("abcd", "从前"), BYTES, QUICK).scores[0]
    assert bits.value == pytest.approx(8, abs=1e-6)
    assert (bits.low, bits.high) == pytest.approx((8, 8), abs=1e-6)


def test_a_uniform_model_pays_for_the_end_of_each_document():
    """Two documents of 4 and 6 bytes: 5 + 7 targets at log2(257) bits over 10 bytes."""
    bits, nats, ppl = perplexity(Uniform(257), documents("abcd", "从前"), BYTES, QUICK).scores
    assert bits.value == pytest.approx(12 * math.log2(257) / 10, rel=1e-6)
    assert nats.value == pytest.approx(math.log(257), rel=1e-6)
    assert ppl.value == pytest.approx(257, rel=1e-5)
    assert [s.name for s in (bits, nats, ppl)] == [
        "bits per byte",
        "nats per token",
        "perplexity per token",
    ]


@pytest.mark.parametrize("context", [4, 7, 64])
@pytest.mark.parametrize("stride", [0, 1, 3])
def test_every_token_is_scored_exactly_once_and_for_its_own_document(context, stride):
    texts = ["", "a", "abc", "从前有座山，山上有座庙", "x" * 40, "hello world"]
    model = Priced([float(i) for i in range(257)], context)
    settings = QUICK.model_copy(update={"stride": stride})
    table = document_costs(model, documents(*texts), BYTES, settings)
    sizes = [len(t.encode()) for t in texts]
    assert table.targets.tolist() == [n + 1 for n in sizes]
    assert table.text_bytes.tolist() == sizes
    assert table.nats.tolist() == [256.0 + sum(BYTES.encode(t)) for t in texts]
    assert table.ids == [f"d{i}" for i in range(6)]


def test_an_n_gram_costs_what_its_probabilities_say():
    texts = ["abracadabra", "a cab", "barbara"]
    ids = [np.array(BYTES.encode(t)) for t in texts]
    model = NGramSettings(order=3, vocab=257, end=BYTES.end, context=8).build()
    model.fit(ids)
    table = document_costs(model, documents(*texts), BYTES, QUICK.model_copy(update={"stride": 4}))
    for row, word_ids in enumerate(ids):
        sequence = [BYTES.end, *word_ids.tolist(), BYTES.end]
        by_hand = -sum(model.log_prob(sequence[:i], sequence[i]) for i in range(1, len(sequence)))
        assert table.nats[row] == pytest.approx(by_hand, rel=1e-5)


def test_a_llama_has_the_perplexity_that_transformers_gives_it(tmp_path):
    transformers = pytest.importorskip("transformers")
    model, texts = tiny_llama(), ["hello world", "从前有座山", "x"]
    BYTES.save(tmp_path)
    save_model(model, tmp_path, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    nats = targets = 0
    for text in texts:
        ids = torch.tensor([[BYTES.end, *BYTES.encode(text), BYTES.end]])
        with torch.no_grad():
            nats += float(theirs(input_ids=ids, labels=ids).loss) * (ids.numel() - 1)
        targets += ids.numel() - 1
    ours = perplexity(model, documents(*texts), BYTES, QUICK).scores
    assert ours[2].value == pytest.approx(math.exp(nats / targets), rel=1e-5)
    text_bytes = sum(len(t.encode()) for t in texts)
    assert ours[0].value == pytest.approx(nats / math.log(2) / text_bytes, rel=1e-5)


def test_the_batch_size_does_not_change_the_costs():
    model, texts = tiny_llama(16), documents("short", "a longer text " * 5, "中文" * 9)
    costs = [
        document_costs(model, texts, BYTES, MeasureSettings(batch=batch)).nats
        for batch in (1, 2, 16)
    ]
    np.testing.assert_allclose(costs[1], costs[0], rtol=1e-5)
    np.testing.assert_allclose(costs[2], costs[0], rtol=1e-5)


def test_unknown_characters_are_charged_as_raw_bytes():
    """'a中b' with an alphabet of a and b: 4 targets, and the 3 bytes of 中 at 8 bits each."""
    tokenizer = CharactersSettings().train(["ab"])
    (unknown,) = tokenizer.encode("中")
    assert unknown == tokenizer.unknown
    measured = perplexity(Uniform(tokenizer.vocab), documents("a中b"), tokenizer, QUICK)
    bits = 4 * math.log2(tokenizer.vocab) + 3 * 8
    assert measured.scores[0].value == pytest.approx(bits / 5, rel=1e-6)
    assert measured.scores[1].value == pytest.approx(math.log(tokenizer.vocab), rel=1e-6)
    assert measured.scores[0].fixes["unspelt_bytes"] == 3


def test_forgetting_words_never_pays():
    """The smaller vocabulary is better per token, and worse per byte, where it counts."""
    text = "the cat sat on the mat with the rat and the bat"
    knows, forgets = (WordsSettings(vocab=v).train([text]) for v in (0, 3))
    scores = [
        perplexity(Uniform(t.vocab), documents(text), t, QUICK).scores for t in (knows, forgets)
    ]
    assert scores[1][2].value < scores[0][2].value
    assert scores[1][0].value > scores[0][0].value
    assert scores[0][2].name == "perplexity per word"
    assert scores[0][0].fixes["lossless"] is False


def test_a_stream_scores_as_a_store_does_in_pieces_of_any_size(monkeypatch):
    model, texts = Uniform(257), documents("one", "two two", "三三三", "4" * 30)
    stored = perplexity(model, Store(texts, BYTES), BYTES, QUICK)
    assert perplexity(model, iter(texts), BYTES, QUICK).scores == stored.scores
    monkeypatch.setattr(module, "PIECE_BYTES", 1)
    assert perplexity(model, iter(texts), BYTES, QUICK).scores == stored.scores


def test_a_limit_spreads_over_stored_text_and_takes_the_first_of_a_stream():
    texts = documents(*"abcdefgh")
    few = MeasureSettings(documents=3, resamples=10)
    assert document_costs(Uniform(257), Store(texts, BYTES), BYTES, few).ids == ["d0", "d2", "d5"]
    assert document_costs(Uniform(257), texts, BYTES, few).ids == ["d0", "d1", "d2"]


def test_the_hardest_documents_are_long_enough_to_tell():
    prices = [1.0] * 257
    prices[ord("z")] = 9.0
    texts = documents("zzz", "a" * 200, "z" * 150, "az" * 100)
    table = document_costs(Priced(prices), texts, BYTES, QUICK)
    assert table.hardest(2) == [2, 3]
    short = document_costs(Priced(prices), documents("aa", "zz", ""), BYTES, QUICK)
    assert short.hardest(5) == [1, 0]


def test_measuring_leaves_the_model_in_the_mode_it_was_in_and_drops_nothing_out():
    torch.manual_seed(0)
    settings = LlamaSettings(vocab=257, context=16, width=32, layers=1, heads=2, dropout=0.5)
    model, texts = settings.build().train(), documents("some text")
    first = document_costs(model, texts, BYTES, QUICK).nats
    assert model.training
    assert document_costs(model.eval(), texts, BYTES, QUICK).nats == first
    assert not model.training


def test_the_same_documents_have_the_same_mark_whatever_reads_them():
    words, texts = WordsSettings().train(["one two"]), documents("one", "two")
    marks = [
        perplexity(Uniform(t.vocab), texts, t, QUICK).scores[0].fixes["documents"]
        for t in (words, BYTES)
    ]
    assert marks[0] == marks[1]
    other = perplexity(Uniform(257), documents("one", "twos"), BYTES, QUICK)
    assert other.scores[0].fixes["documents"] != marks[0]


@pytest.mark.parametrize("texts", [[], [""]], ids=["no document", "no text"])
def test_nothing_to_measure_is_an_error(texts):
    with pytest.raises(DataError, match="bits per byte: nothing to measure"):
        perplexity(Uniform(257), documents(*texts), BYTES, QUICK)
