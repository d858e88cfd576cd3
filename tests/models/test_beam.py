"""Beam search: by hand, against every possible text, against a search written out plainly."""

from itertools import product
from math import log

import pytest
import torch

from lingloom.errors import RecipeError
from lingloom.loading import load
from lingloom.models.beam import length_penalty, write
from lingloom.models.decode import DecodeSettings
from lingloom.models.model import PairModel
from lingloom.models.transformer import TransformerSettings
from lingloom.tokens.pairs import padded_pairs, padded_sources

END = 0
A, B = 1, 2


class Table(PairModel):
    """Says what a table says: the probabilities of what follows each beginning."""

    def __init__(self, chances, context=8):
        super().__init__()
        self.chances = chances
        self.settings = TransformerSettings(vocab=3, context=context)
        self.weight = torch.nn.Parameter(torch.zeros(3, 1))

    def output_weight(self):
        return self.weight

    def encode(self, source, source_seen):
        return source

    def new_cache(self, memory, batch, length):
        return Read([() for _ in range(batch)])

    def step(self, ids, cache):
        cache.rows = [(*row, *new) for row, new in zip(cache.rows, ids.tolist(), strict=True)]
        even = (1 / 3, 1 / 3, 1 / 3)
        return torch.tensor([self.chances.get(row[1:], even) for row in cache.rows]).log()


class Read:
    def __init__(self, rows):
        self.rows = rows

    def pick(self, rows):
        self.rows = [self.rows[row] for row in rows.tolist()]


def settings(**keys):
    return DecodeSettings(**{"temperature": 0, **keys})


def written(model, count=1, **keys):
    source, seen = padded_sources([[A] for _ in range(count)], END)
    return write(model, source, seen, END, settings(**keys))


# P(A) = .55, and then P(END) = .4, P(A) = .3; P(B) = .45, and then P(END) = .9: greedy decoding
# begins with A and finds "A" of .55 * .4 = .22, though "B" has .45 * .9 = .405.
TRAP = {
    (): (0.0, 0.55, 0.45),
    (A,): (0.4, 0.3, 0.3),
    (B,): (0.9, 0.05, 0.05),
}


def test_two_beams_find_what_greedy_decoding_misses_by_hand():
    (greedy,) = written(Table(TRAP))
    assert greedy.ids == (A,)
    assert greedy.log_probability == pytest.approx(log(0.55 * 0.4), abs=1e-6)
    (best,) = written(Table(TRAP), beams=2)
    assert (best.ids, best.reason) == ((B,), "end")
    assert best.log_probability == pytest.approx(log(0.45 * 0.9), abs=1e-6)
    assert best.score == best.log_probability


def test_the_length_penalty_of_wu_et_al_by_hand():
    assert length_penalty(1, 0.6) == 1
    assert length_penalty(7, 1.0) == 2
    assert length_penalty(19, 0.5) == 2
    # "A" and END: .5; "B B B B B B" and END: .4. Over ((5+2)/6)^a and ((5+7)/6)^a = 2^a
    row = {(): (0.0, 0.5, 0.5), (A,): (1.0, 0.0, 0.0)}
    row |= {(B,) * n: (0.0, 0.0, 1.0) for n in range(2, 6)}
    row |= {(B,): (0.0, 0.2, 0.8), (B,) * 6: (1.0, 0.0, 0.0)}
    (short,) = written(Table(row), beams=3)
    (longer,) = written(Table(row), beams=3, length_penalty=1)
    assert (short.ids, longer.ids) == ((A,), (B,) * 6)
    assert longer.log_probability == pytest.approx(log(0.4), abs=1e-6)
    assert longer.score == pytest.approx(log(0.4) / 2, abs=1e-6)  # -.458; "A": log .5 * 6/7 = -.594


def test_a_text_that_finds_no_end_is_cut_off_and_says_why():
    forever = {(A,) * n: (0.0, 1.0, 0.0) for n in range(9)}
    for keys in ({}, {"beams": 2}):
        (limited,) = written(Table(forever), max_new_tokens=5, **keys)
        assert (limited.ids, limited.reason) == ((A,) * 5, "length")
        (full,) = written(Table(forever), **keys)
        assert (full.ids, full.reason) == ((A,) * 8, "context")


# --------------------------------------------------------------------------- a true model


def model_of(vocab=5, sharp=3.0):
    torch.manual_seed(4)
    sizes = {
        "vocab": vocab,
        "context": 12,
        "layers": 1,
        "heads": 2,
        "width": 8,
        "dropout": 0,
        "tied": False,
    }
    model = TransformerSettings(**sizes, norm="pre").build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
        model.head.weight *= sharp
    return model


SOURCES = [[1, 2, 3], [4], [2, 2, 1, 3, 4, 1], [3, 1], [1, 1, 1, 1]]


@torch.no_grad()
def score_of(model, source, target, alpha=0.0):
    """Of a target that ends, from its probability as training reads it."""
    rows = padded_pairs([source], [list(target)], END)
    logp = model.logits(rows)[0].double().log_softmax(-1)
    total = float(logp.gather(1, rows.targets[0][:, None]).sum())
    return total / ((5 + len(target) + 1) / 6) ** alpha


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_wide_beams_find_the_best_of_all_texts(alpha):
    model, limit = model_of(), 4
    texts = [text for n in range(limit) for text in product(range(1, 5), repeat=n)]
    assert len(texts) == 85
    source, seen = padded_sources(SOURCES, END)
    how = settings(beams=400, length_penalty=alpha, max_new_tokens=limit)
    lengths = set()
    for one, found in zip(SOURCES, write(model, source, seen, END, how), strict=True):
        best = max(texts, key=lambda text: score_of(model, one, text, alpha))
        assert found.ids == best
        assert found.score == pytest.approx(score_of(model, one, best, alpha), abs=1e-5)
        lengths.add(len(best))
    assert len(lengths) > 1


def plainly(model, source, beams, alpha, limit):
    """The same search, one source and one text at a time, with no cache and to the very end."""
    begun, ended = [((), 0.0)], []
    for _ in range(limit):
        longer = []
        for ids, total in begun:
            rows = padded_pairs([source], [list(ids)], END)
            logp = model.logits(rows)[0, -1].double().log_softmax(-1).tolist()
            longer += [((*ids, token), total + more) for token, more in enumerate(logp)]
        longer = sorted(longer, key=lambda item: -item[1])[:beams]
        ended += [(i[:-1], t / ((5 + len(i)) / 6) ** alpha) for i, t in longer if i[-1] == END]
        begun = [item for item in longer if item[0][-1] != END]
    return max(ended, key=lambda item: item[1])[0] if ended else begun[0][0]


@pytest.mark.parametrize(("beams", "alpha"), [(1, 0.0), (2, 0.0), (3, 0.6), (4, 1.0), (7, 3.0)])
@torch.no_grad()
def test_every_width_finds_what_a_plain_search_finds(beams, alpha):
    model = model_of(vocab=11, sharp=2.0)
    source, seen = padded_sources(SOURCES, END)
    keys = {"beams": beams, "length_penalty": alpha} if beams > 1 else {}
    found = write(model, source, seen, END, settings(max_new_tokens=9, **keys))
    expected = [plainly(model, one, beams, alpha, 9) for one in SOURCES]
    assert [each.ids for each in found] == expected


@torch.no_grad()
def test_one_beam_is_greedy_decoding():
    from lingloom.models.beam import _Begun, _Writing

    model = model_of(vocab=11, sharp=2.0)
    source, seen = padded_sources(SOURCES, END)
    greedy = write(model, source, seen, END, settings(max_new_tokens=9))
    cache = model.new_cache(model.encode(source, seen), 5, 9)
    writing = _Writing(model, cache, END, settings(max_new_tokens=9), 9)
    beam = writing.by_beam([_Begun(b) for b in range(5)], 1)
    assert [each.ids for each in beam] == [each.ids for each in greedy]
    for one, other in zip(beam, greedy, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-5)
        if one.reason == "end":
            index = greedy.index(other)
            exact = score_of(model, SOURCES[index], other.ids)
            assert other.log_probability == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize("keys", [{}, {"beams": 3}, {"temperature": 1.0, "seed": 5}])
def test_a_source_is_written_for_as_if_it_were_alone(keys):
    model = model_of(vocab=11, sharp=2.0)
    together = write(model, *padded_sources(SOURCES, END), END, settings(**keys))
    for one, found in zip(SOURCES, together, strict=True):
        (alone,) = write(model, *padded_sources([one], END), END, settings(**keys))
        assert alone.ids == found.ids


def test_another_seed_draws_another_text():
    model = model_of(vocab=11, sharp=1.0)
    source, seen = padded_sources(SOURCES, END)
    texts = {
        tuple(each.ids for each in write(model, source, seen, END, settings(temperature=1, seed=s)))
        for s in range(4)
    }
    assert len(texts) == 4


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"length_penalty": 0.6}, "length_penalty 0.6 has no effect on one beam; set beams=4 or"),
        ({"beams": 4, "temperature": 0.8}, "temperature 0.8 has no effect on beams 4, .*erature=0"),
        ({"beams": 4, "temperature": 0, "top_k": 5}, "top_k 5 has no effect on beams 4"),
        ({"beams": 2, "temperature": 0, "repetition_penalty": 1.1}, "set repetition_penalty=1 or"),
        ({"beams": 0}, "beams"),
    ],
)
def test_options_that_cannot_take_effect_are_refused(keys, message):
    with pytest.raises(RecipeError, match=message):
        load(DecodeSettings, keys)
