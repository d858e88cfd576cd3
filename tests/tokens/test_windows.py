"""Stretches of words as word vectors read them, and Huffman's tree over their counts."""

import numpy as np
import pytest
import torch

from lingloom.errors import DataError
from lingloom.text.document import Document
from lingloom.tokens.huffman import huffman_paths
from lingloom.tokens.shards import Shards
from lingloom.tokens.windows import Looking, Windows, WordReader, count_words
from lingloom.tokens.words import WordsSettings
from lingloom.tokens.write import write_shards

TEXTS = ["a b c a", "a d a a b", "rare a b"] * 40
SPLITS = [("train", text) for text in TEXTS] + [("heldout", "a b zzz c"), ("heldout", "d")]


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """(tokenizer, training text, held-out text); 'zzz' is unknown."""
    folder = tmp_path_factory.mktemp("words")
    tokenizer = WordsSettings(segment="none").train(TEXTS)
    documents = ((s, Document(text, f"{i}", "")) for i, (s, text) in enumerate(SPLITS))
    for _ in write_shards(documents, tokenizer, folder):
        pass
    return tokenizer, *(Shards.open(folder, split) for split in ("train", "heldout"))


def reader_of(words, split="train", context=16, seed=0, window=2, sample=0.0, chance=8):
    tokenizer, train, heldout = words
    texts = train if split == "train" else heldout
    return WordReader(texts, tokenizer, context, seed, Looking(window, sample, chance))


def test_known_words_are_counted_and_nothing_else(words):
    tokenizer, train, heldout = words
    counts = count_words(train, tokenizer)
    assert counts.shape == (tokenizer.vocab,)
    assert counts[tokenizer.id_of("a")] == 6 * 40 and counts[tokenizer.id_of("rare")] == 40
    assert counts[tokenizer.end] == 0
    assert count_words(heldout, tokenizer).sum() == 4  # without 'zzz'


def test_windows_never_cross_documents(words):
    tokenizer, *_ = words
    rows = next(iter(reader_of(words, "heldout").all(4)))
    a, b, c, d = (tokenizer.id_of(word) for word in "abcd")
    assert rows.ids.tolist() == [[a, b, c, d]]  # the unknown word is left out, its place closed
    assert rows.place.tolist() == [[0, 1, 2, 3 + 2]]  # a gap of one window between documents
    assert rows.tokens == 16


def test_without_thinning_every_word_is_read_once(words):
    reader = reader_of(words, context=32)
    counts = np.zeros(words[0].vocab, dtype=np.int64)
    for rows in reader.all(3):
        counts += np.bincount(rows.ids[rows.reach > 0].numpy(), minlength=len(counts))
    assert counts.tolist() == count_words(words[1], words[0]).tolist()


def test_the_share_that_is_kept_is_that_of_word2vec(words):
    tokenizer, train, _ = words
    counts = count_words(train, tokenizer)
    a = tokenizer.id_of("a")
    frequency = counts[a] / counts.sum()  # 0.5
    share = (0.05 / frequency) ** 0.5 + 0.05 / frequency  # 0.416
    windows = Windows(reader_of(words, sample=0.05), batch=8, seed=0)
    kept = sum(int((rows.ids == a).sum()) for rows in (windows.at(i) for i in range(100)))
    read = sum(rows.tokens for rows in (windows.at(i) for i in range(100)))
    expected = read * counts[a] / train.tokens * share
    assert abs(kept / expected - 1) < 0.05
    rows = reader_of(words, sample=0.9).all(4)
    assert sum(int((r.ids == a).sum()) for r in rows) == counts[a]  # below the threshold all stay


def test_reaches_and_words_by_chance_are_spread_as_they_should(words):
    tokenizer, train, _ = words
    windows = Windows(reader_of(words, window=4, chance=50), batch=16, seed=3)
    some = [windows.at(i) for i in range(50)]
    reach = torch.cat([rows.reach[rows.reach > 0] for rows in some])
    assert torch.bincount(reach).div(len(reach)).sub(0.25).abs()[1:].max() < 0.02
    drawn = torch.cat([rows.chance.flatten() for rows in some])
    powers = count_words(train, tokenizer) ** 0.75
    found = np.bincount(drawn.numpy(), minlength=len(powers)) / len(drawn)
    assert np.abs(found - powers / powers.sum()).max() < 0.01


def test_rows_follow_from_seed_and_step_alone(words):
    windows = Windows(reader_of(words, sample=0.1), batch=4, seed=0)
    first = [windows.at(i) for i in (0, 5, 900)]
    again = Windows(reader_of(words, sample=0.1), batch=4, seed=0)
    for i, rows in zip((900, 0, 5), [first[2], first[0], first[1]], strict=True):
        assert all(torch.equal(a, rows.tensors()[n]) for n, a in again.at(i).tensors().items())
    other = Windows(reader_of(words, sample=0.1, seed=1), batch=4, seed=1).at(0)
    assert not torch.equal(other.chance, first[0].chance)
    assert windows.document_ids(0)


def test_rows_may_be_taken_apart(words):
    rows = Windows(reader_of(words, chance=0), batch=4, seed=0).at(0)
    pieces = rows.split(3)
    assert [p.tokens for p in pieces] == [48, 16]
    assert torch.equal(torch.cat([p.paths for p in pieces]), rows.paths)


def test_text_without_a_known_word_is_refused(tmp_path):
    tokenizer = WordsSettings(segment="none").train(["a"])
    documents = iter([("train", Document("b c", "x", ""))])
    for _ in write_shards(documents, tokenizer, tmp_path):
        pass
    with pytest.raises(DataError, match=r"3 tokens, and none is a known word; .*min_count"):
        count_words(Shards.open(tmp_path, "train"), tokenizer)


def test_huffmans_tree_is_the_one_worked_by_hand():
    # a 45, b 13, c 12, d 16, e 9, f 5 (Cormen et al., Introduction to Algorithms, figure 16.5):
    # f+e 14, c+b 25, 14+d 30, 25+30 55, a+55 100
    paths = huffman_paths(np.array([45, 13, 12, 16, 9, 5]))
    assert paths.tolist() == [
        [5, 0, 0, 0],
        [-5, 4, -2, 0],
        [-5, 4, 2, 0],
        [-5, -4, -3, 0],
        [-5, -4, 3, -1],
        [-5, -4, 3, 1],
    ]


def test_chances_of_all_words_add_up_to_one_in_any_tree():
    counts = np.random.default_rng(0).integers(0, 1000, 300)
    paths = huffman_paths(counts)
    assert paths.shape[0] == 300 and np.abs(paths).max() == 299
    scores = np.random.default_rng(1).normal(size=300)
    signed = np.sign(paths) * scores[np.abs(paths) - 1]
    chance = np.where(paths != 0, 1 / (1 + np.exp(-signed)), 1).prod(axis=1)
    assert abs(chance.sum() - 1) < 1e-12


def test_a_tree_of_one_or_two_words():
    assert huffman_paths(np.array([3])).shape == (1, 0)
    assert huffman_paths(np.array([3, 9])).tolist() == [[1], [-1]]
