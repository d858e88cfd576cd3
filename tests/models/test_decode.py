"""Choosing tokens and streaming text."""

import pytest
import torch

from lingloom.errors import DataError, ShapeError
from lingloom.models.decode import (
    DecodeSettings,
    Stream,
    choose,
    generate,
    keep,
    penalise,
    stream_text,
)
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.ngram import NGramSettings

END = 0


class Bytes:
    """The least tokenizer: one byte a token."""

    def decode_bytes(self, ids):
        return bytes(ids)


class Words:
    """Spells ids as words with blanks between."""

    def decode_bytes(self, ids):
        return " ".join(f"w{i}" for i in ids).encode()


def tiny(context=16):
    torch.manual_seed(5)
    return GPT2Settings(vocab=32, context=context, layers=1, heads=2, width=16).build()


def items(*values, reason="length"):
    def give():
        yield from values
        return reason

    return Stream(give())


def test_top_p_keeps_the_fewest_tokens_that_hold_the_probability():
    # .5 + .25 = .75 falls short of .8, so the third is needed and the fourth is not
    chances = torch.tensor([0.05, 0.5, 0.15, 0.25, 0.05], dtype=torch.float64)
    kept = keep(chances, DecodeSettings(top_p=0.8))
    assert kept.tolist() == [0, 0.5, 0.15, 0.25, 0]
    assert keep(chances, DecodeSettings(top_p=0.75)).tolist() == [0, 0.5, 0, 0.25, 0]
    assert keep(chances, DecodeSettings(top_p=0.01)).tolist() == [0, 0.5, 0, 0, 0]


def test_top_k_and_min_p_cut_off_where_they_say():
    chances = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=torch.float64)
    assert keep(chances, DecodeSettings(top_k=2)).tolist() == [0, 0.4, 0, 0.3]
    assert keep(chances, DecodeSettings(top_k=9)).tolist() == chances.tolist()
    assert keep(chances, DecodeSettings(min_p=0.5)).tolist() == [0, 0.4, 0.2, 0.3]


def test_the_repetition_penalty_lowers_scores_of_either_sign():
    scores = penalise(torch.tensor([2.0, -2.0, 1.0]), [1, 0, 0], 2.0)
    assert scores.tolist() == [1.0, -4.0, 1.0]


def test_temperature_zero_takes_the_likeliest_and_draws_nothing():
    draws = torch.Generator().manual_seed(0)
    before = draws.get_state()
    assert choose(torch.tensor([0.0, 3.0, 1.0]), [], DecodeSettings(temperature=0), draws) == 1
    assert torch.equal(before, draws.get_state())


def test_draws_follow_the_probabilities():
    draws = torch.Generator().manual_seed(0)
    scores = torch.tensor([0.7, 0.2, 0.1]).log()
    settings = DecodeSettings(temperature=1)
    drawn = torch.tensor([choose(scores, [], settings, draws) for _ in range(4000)])
    shares = drawn.bincount(minlength=3) / 4000
    torch.testing.assert_close(shares, torch.tensor([0.7, 0.2, 0.1]), rtol=0, atol=0.03)


def test_the_same_seed_gives_the_same_text_whatever_else_draws():
    settings = DecodeSettings(max_new_tokens=12, temperature=1.5, seed=7)
    first = list(generate(tiny(), [1, 2], None, settings))
    torch.rand(100)
    model = tiny()
    torch.manual_seed(99)
    assert list(generate(model, [1, 2], None, settings)) == first
    other = settings.model_copy(update={"seed": 8})
    assert list(generate(model, [1, 2], None, other)) != first


def test_a_generation_says_why_it_ended():
    model = tiny()
    stream = generate(model, [1, 2, 3], None, DecodeSettings(max_new_tokens=5))
    assert stream.reason is None
    assert len(list(stream)) == 5
    assert stream.reason == "length"
    stream = generate(model, [1, 2, 3], None, DecodeSettings(max_new_tokens=50))
    assert len(list(stream)) == 14  # 13 places are free, and the last token is never read
    assert stream.reason == "context"
    greedy = DecodeSettings(max_new_tokens=50, temperature=0)
    first = next(generate(model, [1, 2, 3], None, greedy))
    stream = generate(model, [1, 2, 3], first, greedy)
    assert list(stream) == []
    assert stream.reason == "end"


def test_a_prompt_longer_than_the_context_is_an_error_at_once():
    expected = (
        "17 tokens do not fit model.context 16; shorten the text or train with a larger "
        "model.context"
    )
    with pytest.raises(ShapeError) as error:
        generate(tiny(), [1] * 17, END, DecodeSettings())
    assert str(error.value) == expected
    assert len(list(generate(tiny(), [1] * 16, None, DecodeSettings()))) == 1


def test_an_empty_prompt_starts_a_document():
    settings = DecodeSettings(max_new_tokens=6, temperature=1)
    assert list(generate(tiny(), [], 3, settings)) == list(generate(tiny(), [3], 3, settings))


def test_an_empty_prompt_without_an_end_is_an_error_at_once():
    with pytest.raises(DataError, match="the prompt has no tokens, and no END .* at least one"):
        generate(tiny(), [], None, DecodeSettings())


def test_a_counted_model_decodes_as_well():
    model = NGramSettings(vocab=5, end=END, order=3).build()
    model.fit([torch.tensor([1, 2, 3, 4]).numpy()] * 20)
    stream = generate(model, [END, 1], END, DecodeSettings(temperature=0))
    assert list(stream) == [2, 3, 4]
    assert stream.reason == "end"


def test_dropout_is_off_while_generating():
    model = GPT2Settings(vocab=32, context=16, layers=1, heads=2, width=16, dropout=0.9).build()
    settings = DecodeSettings(max_new_tokens=9, temperature=0)
    assert list(generate(model, [1], None, settings)) == list(generate(model, [1], None, settings))


def test_a_character_is_given_only_when_it_is_whole():
    text = "从a前🧵"
    pieces = list(stream_text(Bytes(), iter(text.encode())))
    assert pieces == ["从", "a", "前", "🧵"]


def test_bytes_that_are_no_text_become_replacement_characters():
    stream = stream_text(Bytes(), items(0x61, 0xFF, 0x62, 0xE4, 0xBB, reason="context"))
    assert "".join(stream) == "a�b�"
    assert stream.reason == "context"


def test_streamed_words_have_the_blanks_of_the_whole_text():
    ids = list(range(30))
    assert "".join(stream_text(Words(), iter(ids))) == Words().decode_bytes(ids).decode()
    assert "".join(stream_text(Words(), iter([4, 5]), prompt_ids=[3])) == " w4 w5"


def test_a_stop_text_ends_the_answer_even_when_it_comes_in_pieces():
    stream = stream_text(Bytes(), iter(b"one\nQ: two"), stop=["\nQ:", "zzz"])
    assert "".join(stream) == "one"
    assert stream.reason == "stop"
    stream = stream_text(Bytes(), items(*b"a\nb\nQ"), stop=["\nQ:"])
    assert "".join(stream) == "a\nb\nQ"
    assert stream.reason == "length"
