"""n-grams: numbers by hand, a textbook implementation beside ours, and the promises of a model."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from lingloom.errors import DataError, RecipeError
from lingloom.loading import load
from lingloom.models import counts
from lingloom.models.kneser_ney import discounts
from lingloom.models.ngram import NGram, NGramSettings
from lingloom.tokens.batch import IGNORE, Batch

A, B, C, END = range(4)


def fitted(documents, vocab=4, end=END, **settings) -> NGram:
    model = NGramSettings(vocab=vocab, end=end, **settings).build()
    model.fit(np.array(d, dtype=np.uint16) for d in documents)
    return model


def some_text(seed=0, documents=60, vocab=12):
    """Documents over 0..vocab-2, skewed as words are; END is vocab - 1."""
    draw = np.random.default_rng(seed)
    skew = 1 / np.arange(1, vocab)
    return [
        draw.choice(vocab - 1, size=draw.integers(0, 15), p=skew / skew.sum()).tolist()
        for _ in range(documents)
    ]


def test_two_documents_by_hand():
    # "a b" and "a c". Bigrams: <s>a twice, ab, ac, b</s>, c</s> once: n1 = 4, n2 = 1, so
    # D = 4 / (4 + 2) = 2/3. Words before: a 1, b 1, c 1, </s> 2 (total 5): n1 = 3, n2 = 1, so
    # D = 3 / (3 + 2) = 3/5, and the four words share 4 * 3/5 of 5, a mass of 12/25, evenly: 3/25.
    model = fitted([[A, B], [A, C]], order=2, discount="single")
    one = {w: (1 - 0.6) / 5 + 0.12 for w in (A, B, C)} | {END: (2 - 0.6) / 5 + 0.12}
    assert one[A] == pytest.approx(0.2) and one[END] == pytest.approx(0.4)
    np.testing.assert_allclose(model.distribution([]), list(one.values()), rtol=1e-12)
    # After a: two kinds, two tokens, so the freed mass is 2 * 2/3 / 2 = 2/3.
    after_a = [2 / 3 * 0.2, 1 / 6 + 2 / 3 * 0.2, 1 / 6 + 2 / 3 * 0.2, 2 / 3 * 0.4]
    np.testing.assert_allclose(model.distribution([A]), after_a, rtol=1e-12)
    # At the start: one kind, two tokens, freed 2/3 / 2 = 1/3. Start counts are not continuations.
    assert np.exp(model.log_prob([END], A)) == pytest.approx((2 - 2 / 3) / 2 + 1 / 3 * 0.2)
    expected = np.log([11 / 15, 0.3, 1 / 3 + 2 / 3 * 0.4])
    np.testing.assert_allclose(model.score(np.array([A, B, END])), expected, rtol=1e-12)


def test_discounts_follow_the_closed_form():
    seen = np.repeat([1, 2, 3, 4, 9], [8, 4, 2, 1, 5])  # Y = 8 / (8 + 2 * 4) = 1/2
    found = discounts(seen, "modified")
    # 1 - 2 Y 4/8,  2 - 3 Y 2/4,  3 - 4 Y 1/2
    assert (found.one, found.two, found.three, found.fallback) == (0.5, 1.25, 2.0, False)
    assert discounts(seen, "single").one == 0.5


def test_a_text_too_small_for_discounts_is_fitted_and_says_so():
    model = fitted([[A, B]], order=3)
    assert [d.fallback for d in model.discounts] == [True] * 3
    assert (model.discounts[0].one, model.discounts[0].three) == (0.5, 1.5)
    np.testing.assert_allclose(model.distribution([END, A]).sum(), 1, atol=1e-9)


# --------------------------------------------------------------------------- textbook


class Textbook:
    """Interpolated Kneser-Ney with dictionaries and recursion, straight from the formulas."""

    def __init__(self, documents, vocab, end, order, kind, prune):
        self.vocab, self.order, self.prune = vocab, order, prune
        raw = [Counter() for _ in range(order)]
        for document in documents:
            words = ["<s>", *document, end]
            for stop in range(1, len(words) + 1):
                for n in range(1, min(order, stop) + 1):
                    raw[n - 1][tuple(words[stop - n : stop])] += 1
        self.raw, self.adjusted = raw, []
        for n in range(order):
            before = defaultdict(set)
            for gram in raw[n + 1] if n + 1 < order else ():
                before[gram[1:]].add(gram[0])
            self.adjusted.append(
                {
                    gram: c if n + 1 == order or gram[0] == "<s>" else len(before[gram])
                    for gram, c in raw[n].items()
                    if gram != ("<s>",)
                }
            )
        self.taken = [discounts(np.array(list(a.values())), kind) for a in self.adjusted]
        self.children = [defaultdict(list) for _ in range(order)]
        for n, grams in enumerate(self.adjusted):
            for gram in grams:
                self.children[n][gram[:-1]].append(gram)

    def take(self, n, gram):
        c, d = self.adjusted[n][gram], self.taken[n]
        if self.raw[n][gram] <= self.prune[n]:
            return c
        return (d.one, d.two, d.three)[min(c, 3) - 1]

    def p(self, context, word):
        n = len(context)
        lower = self.p(context[1:], word) if n else 1 / self.vocab
        followers = self.children[n].get(tuple(context), [])
        if not followers:
            return lower
        total = sum(self.adjusted[n][g] for g in followers)
        freed = sum(self.take(n, g) for g in followers)
        gram = (*context, word)
        own = self.adjusted[n][gram] - self.take(n, gram) if gram in self.adjusted[n] else 0
        return own / total + freed / total * lower


@pytest.mark.parametrize(
    ("order", "kind", "prune"),
    [
        (1, "modified", (0,)),
        (2, "single", (0,)),
        (3, "modified", (0,)),
        (5, "modified", (0,)),
        (5, "single", (0,)),
        (4, "modified", (0, 0, 1, 2)),
        (8, "modified", (0,)),
    ],
)
def test_fast_scores_equal_the_textbook(order, kind, prune):
    train, test = some_text(1), some_text(2, documents=10)
    model = fitted(train, 12, 11, order=order, discount=kind, prune=prune)
    prune = [prune[min(n, len(prune) - 1)] for n in range(order)]
    book = Textbook(train, 12, 11, order, kind, prune)
    stream, expected = [], []
    for document in test:
        words = ["<s>", *document, 11]
        for i in range(1, len(words)):
            expected.append(np.log(book.p(tuple(words[max(0, i - order + 1) : i]), words[i])))
        stream += words[1:]
    np.testing.assert_allclose(model.score(np.array(stream)), expected, rtol=1e-10)


# --------------------------------------------------------------------------- promises


@pytest.mark.parametrize("mass", ["interpolate", "backoff"])
@pytest.mark.parametrize("prune", [(0,), (0, 0, 1)])
def test_every_distribution_sums_to_one(prune, mass):
    model = fitted(some_text(), 12, 11, prune=prune, pruned_mass=mass)
    draw = np.random.default_rng(3)
    for length in range(8):
        for _ in range(5):
            p = model.distribution(draw.integers(0, 12, size=length).tolist())
            assert p.sum() == pytest.approx(1, abs=1e-9)
            assert (p > 0).all()


def test_dropped_ngrams_leave_smaller_tables():
    whole, pruned = (fitted(some_text(), 12, 11, prune=p) for p in [(0,), (0, 0, 1)])
    assert whole.sizes()[:2] == pruned.sizes()[:2]
    assert all(a > b for a, b in zip(whole.sizes()[2:], pruned.sizes()[2:], strict=True))


def batch_of(model, segments=None):
    ids = torch.randint(12, (3, 20), generator=torch.Generator().manual_seed(5))
    ids[1, 7] = model.end
    targets = torch.roll(ids, -1, dims=1)
    targets[:, -1] = IGNORE
    return Batch(ids, targets, segments)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_nats_of_targets_are_the_logits_of_targets(order):
    model = fitted(some_text(), 12, 11, order=order)
    segments = torch.zeros(3, 20, dtype=torch.int64)
    segments[2, 9:] = 1
    batch = batch_of(model, segments)
    logits = model.logits(batch)
    assert logits.shape == (3, 20, 12) and logits.dtype == torch.float32
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(3, 20))
    picked = logits.gather(2, batch.targets.clamp(min=0)[..., None])[..., 0]
    nats = torch.where(batch.targets == IGNORE, 0.0, -picked)
    torch.testing.assert_close(model.token_nats(batch), nats)


def test_logits_are_those_of_each_context_alone():
    model = fitted(some_text(), 12, 11, order=3)
    batch = batch_of(model)
    logits = model.logits(batch)
    for row, place in [(0, 0), (0, 1), (0, 13), (1, 0), (1, 7), (1, 8), (2, 0), (2, 1)]:
        p = model.distribution(batch.ids[row, : place + 1].tolist())
        torch.testing.assert_close(logits[row, place].exp().double(), torch.from_numpy(p))


def test_a_new_segment_starts_a_document():
    model = fitted(some_text(), 12, 11, order=4)
    segments = torch.tensor([[0, 0, 0, 1, 1]])
    ids = torch.tensor([[3, 1, 2, 0, 1]])
    logits = model.logits(Batch(ids, ids, segments))
    p = model.distribution([model.end, 0, 1])
    torch.testing.assert_close(logits[0, 4].exp().double(), torch.from_numpy(p))


def test_a_row_that_starts_in_the_middle_does_not_pretend_to_start_a_document():
    model = fitted([[A, B, B], [A, B, A], [B, A, C]], order=3)
    inside, start = model.distribution([A]), model.distribution([END, A])
    assert not np.allclose(inside, start)
    logits = model.logits(Batch(torch.tensor([[A]]), torch.tensor([[B]])))
    torch.testing.assert_close(logits[0, 0].exp().double(), torch.from_numpy(inside))


@pytest.mark.parametrize("order", [1, 2, 5])
def test_decoding_step_by_step_equals_reading_at_once(order):
    model = fitted(some_text(), 12, 11, order=order)
    batch = batch_of(model)
    logits = model.logits(batch)
    cache = model.new_cache(3, 20)
    torch.testing.assert_close(model.step(batch.ids[:, :4], cache), logits[:, 3])
    for place in range(4, 20):
        torch.testing.assert_close(
            model.step(batch.ids[:, place : place + 1], cache), logits[:, place]
        )


def test_documents_are_scored_alike_alone_and_in_a_row():
    model = fitted(some_text(), 12, 11)
    documents = [[*d, 11] for d in some_text(7, documents=5)]
    alone = np.concatenate([model.score(np.array(d)) for d in documents])
    together = model.score(np.concatenate([np.array(d) for d in documents]))
    np.testing.assert_array_equal(alone, together)
    assert model.score(np.array([], dtype=np.int64)).shape == (0,)


def test_a_model_that_has_seen_nothing_finds_all_tokens_equally_likely():
    model = NGramSettings(vocab=4, end=END).build()
    np.testing.assert_allclose(model.score(np.array([A, B, END])), -np.log([4, 4, 4]))


# --------------------------------------------------------------------------- files


def test_a_saved_model_gives_the_same_scores(tmp_path: Path):
    model = fitted(some_text(), 12, 11, order=4, prune=(0, 0, 0, 1))
    model.save(tmp_path)
    again = NGram.load(tmp_path)
    ids = np.array([*some_text(4)[0], 11, 3, 2, 1])
    np.testing.assert_array_equal(again.score(ids), model.score(ids))
    assert again.settings == model.settings
    assert again.discounts == model.discounts
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "lingloom-ngram"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "ngram.safetensors"]


def flip_a_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "config.json").unlink(),
        lambda f: (f / "config.json").write_text("{"),
        lambda f: (f / "config.json").write_text("[1]"),
        lambda f: (f / "config.json").write_text('{"model_type": "gpt2"}'),
        lambda f: (f / "config.json").write_text('{"model_type": "lingloom-ngram"}'),
        lambda f: (f / "ngram.safetensors").unlink(),
        lambda f: flip_a_byte(f / "ngram.safetensors"),
        lambda f: (f / "ngram.safetensors").write_bytes(b"\xff" * 64),
    ],
)
def test_a_damaged_model_is_refused(tmp_path: Path, damage):
    fitted(some_text(), 12, 11).save(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=str(tmp_path)):
        NGram.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"ngrams": [13]}, "order 1"),
        ({"ngrams": [13, 5, 5, 5, 5]}, "promised"),
        ({"settings": {"vocab": 3, "end": 1}}, "keys do not rise"),
        ({"settings": {"vocab": 12, "end": 99}}, "settings of this model are wrong"),
        ({"settings": {"vocab": 12, "end": 1, "order": "x"}}, "settings of this model are wrong"),
    ],
)
def test_a_configuration_that_does_not_fit_the_tables_is_refused(tmp_path: Path, change, problem):
    fitted(some_text(), 12, 11).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(DataError, match=problem):
        NGram.load(tmp_path)


# --------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(("document", "wrong"), [([A, 4], 4), ([A, END, B], END), ([-1], -1)])
def test_an_id_that_cannot_be_in_a_document_names_the_document(document, wrong, monkeypatch):
    monkeypatch.setattr(counts, "PIECE", 6)  # the mistake is in the second piece
    model = NGramSettings(vocab=4, end=END).build()
    with pytest.raises(DataError, match=f"document 3: holds the id {wrong}; .* another vocabulary"):
        model.fit(np.array(d) for d in [[A], [B], [C, C], document])


def test_many_documents_in_pieces_count_as_in_one(monkeypatch):
    whole = fitted(some_text(), 12, 11)
    monkeypatch.setattr(counts, "PIECE", 6)
    np.testing.assert_array_equal(
        fitted(some_text(), 12, 11).table.levels[4].keys, whole.table.levels[4].keys
    )


def test_no_document_at_all_is_an_error():
    with pytest.raises(DataError, match="no document to count"):
        fitted([])


def test_scoring_an_unknown_id_is_an_error():
    model = fitted([[A, B]])
    with pytest.raises(DataError, match="0 to 4, but the vocabulary has 4"):
        model.score(np.array([0, 4]))
    with pytest.raises(DataError, match="token ids from -1"):
        model.token_nats(Batch(torch.tensor([[A]]), torch.tensor([[-1]])))


def test_a_model_without_a_vocabulary_cannot_be_built():
    with pytest.raises(RecipeError, match="take them from the tokenizer"):
        NGramSettings().build()


@pytest.mark.parametrize("prune", ["[1, 1]", "[0, 2, 1]", "[]"])
def test_pruning_must_start_at_zero_and_rise(prune):
    with pytest.raises(RecipeError, match="must start with 0"):
        load(NGramSettings, {}, [f"prune={prune}"])
