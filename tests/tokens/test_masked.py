"""Hidden tokens: how many, which, the same at the same step, whole words in both languages."""

import numpy as np
import pytest
import torch

from lingloom.errors import DataError
from lingloom.text.document import Document
from lingloom.tokens.batch import IGNORE
from lingloom.tokens.bytelevel import BPESettings, BytesSettings
from lingloom.tokens.characters import CharactersSettings
from lingloom.tokens.extra import with_extra
from lingloom.tokens.masked import Hider, MaskedOrder, Shares
from lingloom.tokens.shards import Shards
from lingloom.tokens.stretches import SentencePairs, Stretches
from lingloom.tokens.subwords import UnigramSettings, WordPieceSettings
from lingloom.tokens.tokenizer import MASK
from lingloom.tokens.whole_words import Words
from lingloom.tokens.words import WordsSettings
from lingloom.tokens.write import write_shards

BYTES = with_extra(BytesSettings().train([]), [MASK])
END, MASKED = BYTES.end, BYTES.id_of(MASK)


def shards_of(folder, texts, tokenizer=BYTES):
    documents = (("train", Document(text, f"doc {i}", "")) for i, text in enumerate(texts))
    for _ in write_shards(documents, tokenizer, folder):
        pass
    return Shards.open(folder, "train")


def numbered(folder, count=60):
    """Documents of 3 to 62 tokens, which say where they are: document i holds only byte 100 + i."""
    return shards_of(folder, [chr(33 + i) * (3 + i) for i in range(count)])


def order_of(shards, batch=8, seed=1, static=False, context=24, **more):
    rows = Stretches(shards, BYTES, context)
    return MaskedOrder(rows, Hider(BYTES, Shares(), **more), batch, seed, static=static, pad=END)


def as_it_was(batch):
    """The rows before their tokens were hidden."""
    ids = batch.ids.clone()
    for b, (places, targets) in enumerate(zip(batch.places, batch.targets, strict=True)):
        there = targets != IGNORE
        ids[b, places[there]] = targets[there]
    return ids


def differing(a, b):
    return [not torch.equal(a[name], b[name]) for name in ("ids", "places", "targets")]


# ------------------------------------------------------------------ how much


def test_fifteen_in_a_hundred_are_hidden_eight_in_ten_behind_the_mask():
    ids = np.tile(np.arange(97, 123), 400)[:10_000]
    read, places = Hider(BYTES, Shares()).hide(ids, 5)
    assert len(places) == 1500
    assert np.all(np.diff(places) > 0)
    away = np.setdiff1d(np.arange(10_000), places)
    assert np.array_equal(read[away], ids[away])
    masked = read[places] == MASKED
    kept = read[places] == ids[places]
    other = ~masked & ~kept
    assert masked.mean() == pytest.approx(0.8, abs=0.03)
    assert kept.mean() == pytest.approx(0.1, abs=0.03)
    assert other.mean() == pytest.approx(0.1, abs=0.03)
    assert read[places][other].max() < 256  # never END, never the mask
    # the hidden places are spread evenly
    assert np.histogram(places, 10, (0, 10_000))[0].min() > 110


def test_shares_are_as_asked():
    ids = np.full(1000, 97)
    for shares, expected in (
        (Shares(0.5, 1.0, 0.0), {MASKED: 500, 97: 500}),
        (Shares(0.2, 0.0, 0.0), {97: 1000}),
    ):
        read, places = Hider(BYTES, shares).hide(ids, 0)
        assert len(places) == expected.get(MASKED, 200)
        assert {i: int((read == i).sum()) for i in expected} == expected
    read, places = Hider(BYTES, Shares(0.2, 0.0, 1.0)).hide(ids, 0)
    assert (read[places] != 97).sum() >= 195  # a random token may be the same


def test_signs_are_never_hidden_and_at_least_one_token_is():
    for n in (1, 2, 6):
        ids = np.array([END, *range(97, 97 + n), END])
        for key in range(50):
            read, places = Hider(BYTES, Shares()).hide(ids, key)
            assert len(places) == 1
            assert 1 <= places[0] <= n
            assert (read[0], read[-1]) == (END, END)


def test_a_row_with_nothing_to_hide_is_an_error():
    with pytest.raises(DataError, match="a row of 3 places holds no token of text to hide"):
        Hider(BYTES, Shares()).hide(np.array([END, END, END]), 0)


def test_a_tokenizer_without_a_mask_is_an_error():
    with pytest.raises(DataError, match=r"tokens\.kind bytes\) has no token <mask>"):
        Hider(BytesSettings().train([]), Shares())


# ------------------------------------------------------------------ what each step reads


def test_every_row_hides_something_and_its_targets_are_what_stood_there(tmp_path):
    order = order_of(numbered(tmp_path))
    for step in range(30):
        batch = order.at(step)
        assert batch.ids.shape == (8, 24)
        assert batch.seen.all()
        assert batch.parts is None and batch.labels is None
        assert batch.places.shape == batch.targets.shape == (8, 3)  # 22 tokens, few of them END
        assert ((batch.targets != IGNORE).sum(1) >= 2).all()
        before = as_it_was(batch)
        assert (before[:, 0] == END).all() and (before[:, -1] == END).all()
        assert MASKED not in before


def test_an_epoch_reads_everything_once(tmp_path):
    shards = numbered(tmp_path)
    for static in (True, False):
        order = order_of(shards, batch=1, static=static)
        rows = round(order.steps_per_epoch)
        assert rows == shards.tokens // 22
        read = torch.cat([as_it_was(order.at(step))[:, 1:-1].flatten() for step in range(rows)])
        counts = torch.bincount(read, minlength=257)
        assert counts[33:93].tolist() == pytest.approx([3 + i for i in range(60)], abs=22)
        assert counts.sum() == rows * 22


def test_the_same_step_hides_the_same_whenever_it_is_asked_for(tmp_path):
    shards = numbered(tmp_path)
    first, second = order_of(shards), order_of(shards)
    there = {step: first.at(step).tensors() for step in (40, 0, 7)}
    for step in (7, 0, 40):
        assert not any(differing(there[step], second.at(step).tensors()))
    assert any(differing(there[7], order_of(shards, seed=2).at(7).tensors()))


def test_dynamic_masks_change_from_epoch_to_epoch_and_static_ones_do_not(tmp_path):
    chance = np.random.default_rng(0)
    shards = shards_of(tmp_path, ["".join(map(chr, chance.integers(32, 127, 99))) for _ in "abcd"])
    for static in (True, False):
        order = order_of(shards, batch=1, static=static)
        rows = round(order.steps_per_epoch)
        epochs = [
            {bytes(as_it_was(b).numpy()): b for b in map(order.at, range(k * rows, (k + 1) * rows))}
            for k in (0, 1)
        ]
        if static:
            assert epochs[0].keys() == epochs[1].keys()
            for text, row in epochs[0].items():
                assert not any(differing(row.tensors(), epochs[1][text].tensors()))
            assert list(epochs[0]) != list(epochs[1])  # in another order, though
        else:
            assert epochs[0].keys() != epochs[1].keys()  # cut at other places


def test_dynamic_masks_differ_for_the_same_text_too():
    ids = np.arange(97, 123)
    hider = Hider(BYTES, Shares())
    chosen = {tuple(hider.hide(ids, key)[1].tolist()) for key in range(20)}
    assert len(chosen) == 20


def test_held_out_rows_hold_all_text_in_order(tmp_path):
    shards = numbered(tmp_path, 20)
    rows = Stretches(shards, BYTES, 24, whole=True)
    order = MaskedOrder(rows, Hider(BYTES, Shares()), 4, 0, pad=END)
    text = []
    for batch in order.in_order():
        for ids, seen in zip(as_it_was(batch), batch.seen, strict=True):
            text += ids[seen][1:-1].tolist()
            assert (ids[~seen] == END).all()
    assert text == shards.ids(0, shards.tokens).tolist()
    assert rows.count == -(-shards.tokens // 22)


def test_documents_are_named(tmp_path):
    order = order_of(numbered(tmp_path), batch=2)
    for step in (0, 5):
        ids = set(as_it_was(order.at(step)).flatten().tolist()) - {END}
        assert {f"doc {i - 33}" for i in ids} <= set(order.document_ids(step))


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (3, r"model\.context: 3 places hold 2 signs and 1 tokens of text; set model\.context=4"),
        (400, r"123 tokens do not fill one row of model\.context 400 .* set model\.context=125"),
    ],
)
def test_too_little_room_or_text_is_told(context, message, tmp_path):
    shards = shards_of(tmp_path, ["a" * 60, "b" * 61])
    with pytest.raises(DataError, match=message):
        Stretches(shards, BYTES, context)


# ------------------------------------------------------------------ pairs


def spoken(folder, documents=40):
    """Documents of sentences of 6 tokens; document i says only the letter i."""
    return shards_of(
        folder, [(chr(65 + i) * 5 + ".") * (5 + 5 * (i % 3)) for i in range(documents)]
    )


def test_half_of_the_second_texts_follow_and_the_others_are_of_another_document(tmp_path):
    rows = SentencePairs(spoken(tmp_path), BYTES, 33)
    order = MaskedOrder(rows, Hider(BYTES, Shares()), 10, 3, pad=END)
    others = 0
    for step in range(60):
        batch = order.at(step)
        before = as_it_was(batch)
        for ids, seen, parts, other in zip(
            before, batch.seen, batch.parts, batch.labels, strict=True
        ):
            row = ids[seen].tolist()
            cut = int(parts.argmax())
            first, second = row[1 : cut - 1], row[cut:-1]
            assert (row[0], row[cut - 1], row[-1]) == (END, END, END)
            assert parts[seen].tolist() == [0] * cut + [1] * (len(row) - cut)
            assert first and second and len(row) <= 33
            assert first[-1] == ord(".")  # cut where a sentence ends
            assert len(set(first) - {46}) == len(set(second) - {46}) == 1
            assert (first[0] != second[0]) == bool(other)
            others += int(other)
    assert others == pytest.approx(300, abs=40)


def test_pairs_are_the_same_at_the_same_step_and_static_ones_in_every_epoch(tmp_path):
    shards = spoken(tmp_path)
    for static in (True, False):
        orders = [
            MaskedOrder(
                SentencePairs(shards, BYTES, 33), Hider(BYTES, Shares()), 1, 3, static=static
            )
            for _ in range(2)
        ]
        assert not any(differing(orders[0].at(17).tensors(), orders[1].at(17).tensors()))
        rows = round(orders[0].steps_per_epoch)
        epochs = [
            {bytes(order.at(step).ids.numpy()) for step in range(k * rows, (k + 1) * rows)}
            for k, order in enumerate(orders)
        ]
        assert (epochs[0] == epochs[1]) == static


def test_a_single_document_has_no_text_that_does_not_follow(tmp_path):
    shards = shards_of(tmp_path, ["a. b. c. d.", "e"])
    with pytest.raises(DataError, match=r"1 documents of 4 tokens or more, .* model\.head=masked"):
        SentencePairs(shards, BYTES, 12)


# ------------------------------------------------------------------ whole words

ENGLISH = "The unbelievable cats, 1984 of them, weren't jumping overland."
CHINESE = "中国人民银行发布了新的货币政策，北京大学的学生在图书馆学习。GPT4很好"
TEXTS = [ENGLISH, CHINESE]
KINDS = [
    WordPieceSettings(vocab=120),
    BPESettings(vocab=330),
    UnigramSettings(vocab=320),
    CharactersSettings(),
    BytesSettings(),
    WordsSettings(segment="jieba"),
]


def pieces_of(tokenizer, text):
    """The text that each group of tokens stands for, without blanks."""
    ids = np.array(tokenizer.encode(text))
    words = Words(tokenizer).of(ids)
    assert words[0] == 0 and set(np.diff(words)) <= {0, 1}
    groups = [ids[words == w].tolist() for w in range(words[-1] + 1)]
    return [tokenizer.decode(group).strip().removeprefix("##") for group in groups]


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)
def test_no_word_is_divided_in_either_language(settings):
    pytest.importorskip("rjieba")
    tokenizer = settings.train(TEXTS * 8)
    english = [piece for piece in pieces_of(tokenizer, ENGLISH) if piece]
    if settings.kind != "words":  # those keep commas and points with their words
        expected = "The|unbelievable|cats|,|1984|of|them|,|weren|'|t|jumping|overland|."
        if settings.kind == "bpe":  # one token holds both, and keeps them together
            expected = expected.replace("'|t", "'t")
        assert english == expected.split("|")
    chinese = [piece for piece in pieces_of(tokenizer, CHINESE) if piece]
    assert "".join(chinese) == CHINESE
    words = ["中国人民银行", "货币政策", "北京大学", "图书馆", "学习"]
    for word in words:
        assert any(word in piece for piece in chinese), word
    if settings.kind in ("characters", "bytes", "wordpiece"):
        assert set(words) < set(chinese)


@pytest.mark.parametrize("settings", KINDS[:5], ids=lambda s: s.kind)
def test_whole_words_are_hidden_all_or_none(settings):
    pytest.importorskip("rjieba")
    tokenizer = with_extra(settings.train(TEXTS * 8), [MASK])
    words = Words(tokenizer)
    hider = Hider(tokenizer, Shares(hidden=0.3), words)
    for text in TEXTS:
        ids = np.array([tokenizer.end, *tokenizer.encode(text), tokenizer.end])
        groups = words.of(ids)
        met = set()
        for key in range(40):
            _, places = hider.hide(ids, key)
            hidden = np.isin(np.arange(len(ids)), places)
            for word in np.unique(groups):
                assert hidden[groups == word].all() or not hidden[groups == word].any()
            assert 1 <= len(places) <= round(0.3 * (len(ids) - 2))
            met |= set(groups[places].tolist())
        assert len(met) > 0.6 * len(np.unique(groups))


def test_a_word_longer_than_all_that_may_be_hidden_is_hidden_where_none_is_shorter():
    ids = np.array([END, *b"unbelievable", *b" antidisestablishment", END])
    _, places = Hider(BYTES, Shares(), Words(BYTES)).hide(ids, 0)
    assert places.tolist() in ([13], list(range(1, 13)))  # the blank, or the shorter word
    ids = np.array([END, *b"unbelievable", END])
    _, places = Hider(BYTES, Shares(), Words(BYTES)).hide(ids, 0)
    assert places.tolist() == list(range(1, 13))


def test_a_word_does_not_go_on_across_an_end():
    ids = np.array([*b"cat", END, *b"dog"])
    assert Words(BYTES).of(ids).tolist() == [0, 0, 0, 1, 2, 2, 2]


def test_characters_that_the_row_cuts_are_no_error():
    ids = np.array([*"天下".encode()[1:-1], *b" a"])
    assert Words(BYTES).of(ids).tolist() == [0, 1, 2, 3, 4, 5]
