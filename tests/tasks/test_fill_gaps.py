"""Gaps in a text, filled by a model that is held to the form of what it was taught."""

import pytest
import torch

from lingloom.errors import DataError, RecipeError, ShapeError
from lingloom.models.decode import DecodeSettings
from lingloom.tasks.fill_gaps import fill_gaps, runs, write_gaps
from lingloom.tokens.bytelevel import BPESettings, BytesSettings
from lingloom.tokens.extra import with_extra
from lingloom.tokens.spans import SENTINEL

TOKENIZER = with_extra(BytesSettings().train([]), [SENTINEL.format(i) for i in range(3)])
END = TOKENIZER.end
X, Y, Z = 257, 258, 259
GREEDY = DecodeSettings(temperature=0, max_new_tokens=40)


class Scripted:
    """Likes best, at each place, what its script says there; then END; and has read what it was
    told to read."""

    class settings:  # noqa: N801  as the models have it
        context = 50

    def __init__(self, *script):
        self.script = script

    def eval(self):
        return self

    def begins_with(self, end):
        return end

    def encode(self, source, seen):
        assert seen.all()
        self.source = source[0].tolist()

    def new_cache(self, memory, batch, length):
        return {"at": 0, "length": length}

    def step(self, ids, cache):
        scores = torch.zeros(1, TOKENIZER.vocab)
        liked = self.script[cache["at"] :] or (END,)
        for rank, token in enumerate(liked[0] if isinstance(liked[0], tuple) else liked[:1]):
            scores[0, token] = 9.0 - rank
        cache["at"] += 1
        assert cache["at"] <= cache["length"]
        return scores


def test_each_gap_gets_what_the_model_says_behind_its_sentinel():
    model = Scripted(X, *b" for inviting", Y, *b" last", END)
    found = fill_gaps(model, TOKENIZER, "Thank you ___ me to your ___ week", GREEDY)
    assert model.source == [*b"Thank you", X, *b" me to your", Y, *b" week", END]
    assert found.text == "Thank you for inviting me to your last week"
    assert found.gaps == ["for inviting", "last"]
    assert found.reason == "end"


def test_gaps_may_stand_at_either_end_and_beside_each_other():
    model = Scripted(X, *b"a", Y, Z, *b"c")
    found = fill_gaps(model, TOKENIZER, "___从___前___", GREEDY)
    assert model.source == [X, *"从".encode(), Y, *"前".encode(), Z, END]
    assert (found.text, found.gaps) == ("a从前c", ["a", "", "c"])


def test_what_it_writes_is_held_to_the_form():
    """Whatever it likes best, the sentinels come in order, and END behind the last of them."""
    script = [(97, Y), (END, 97), (Z, Y), (X, 98), (Y, 99), (END,)]
    said, reason = write_gaps(Scripted(*script), [X, 5, Y], END, [X, Y, Z], GREEDY)
    assert said == [X, 97, Y, 98, 99]
    assert reason == "end"
    assert runs(said, [X, Y, Z]) == [[97], [98, 99]]


def test_it_ends_at_the_limit_and_says_so():
    model = Scripted(X, *b"for ever and ever and ever and ever and ever and ever and ever")
    short = GREEDY.model_copy(update={"max_new_tokens": 5})
    found = fill_gaps(model, TOKENIZER, "once ___ more ___", short)
    assert (found.text, found.gaps, found.reason) == ("oncefor  more", ["for"], "length")
    longer = GREEDY.model_copy(update={"max_new_tokens": 500})
    assert fill_gaps(model, TOKENIZER, "once ___ more ___", longer).reason == "context"


@pytest.mark.parametrize("text", ["no gap at all", "___ ___ ___ ___"])
def test_another_number_of_gaps_is_refused(text):
    message = (
        f"{text.count('___')} gaps in the text; write ___ for what is missing, once to 3 times"
    )
    with pytest.raises(DataError, match=message):
        fill_gaps(Scripted(), TOKENIZER, text, GREEDY)


def test_a_long_text_is_refused():
    with pytest.raises(ShapeError, match=r"62 tokens do not fit model\.context 50; fill the gaps"):
        fill_gaps(Scripted(), TOKENIZER, "x" * 60 + "___", GREEDY)


def test_a_tokenizer_without_sentinels_is_refused():
    with pytest.raises(DataError, match="no token <extra_id_0>, which stands for a gap; train"):
        fill_gaps(Scripted(), BytesSettings().train([]), "a ___", GREEDY)


@pytest.mark.parametrize("values", [{"beams": 4, "temperature": 0}, {"stop": ("x",)}])
def test_what_has_no_effect_is_refused(values):
    name = next(iter(values))
    with pytest.raises(RecipeError, match=rf"decode\.{name}: .* has no effect on gaps"):
        fill_gaps(Scripted(), TOKENIZER, "a ___", DecodeSettings(**values))


def test_a_blank_before_a_gap_belongs_to_the_gap():
    """Byte-level BPE writes it at the head of the next word, so that word is hidden whole."""
    text = "the cat sat on the mat and the dog sat on the cat " * 20
    bpe = with_extra(BPESettings(vocab=270).train([text]), [SENTINEL.format(0)])
    seen = []

    class Reader(Scripted):
        def encode(self, source, seen_places):
            seen.append(source[0].tolist())
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fill_gaps(Reader(), bpe, "the ___ sat", GREEDY)
    assert seen[0] == [*bpe.encode("the"), 270, *bpe.encode(" sat"), bpe.end]
