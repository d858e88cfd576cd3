"""Shards on disk: what is written is read back; whole or not at all."""

import errno
import hashlib
import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from lingloom.errors import DataError, RunError
from lingloom.text.document import Document
from lingloom.tokens import write
from lingloom.tokens.bytelevel import BPESettings, BytesSettings
from lingloom.tokens.shards import Shards
from lingloom.tokens.words import WordsSettings
from lingloom.tokens.write import write_shards

BYTES = BytesSettings().train([])
TEXTS = ["one two", "", "三 四\n五", "six\n\nseven eight\n nine", "ten" * 50]


def documents(texts=TEXTS):
    for i, text in enumerate(texts):
        yield ("heldout" if i % 3 == 2 else "train"), Document(text, f"文档 {i}", "test")


def written(folder, tokenizer=BYTES, texts=TEXTS, **how):
    return list(write_shards(documents(texts), tokenizer, folder, **how))


def content(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_documents_are_read_back_with_their_bytes_and_names(tmp_path):
    last = written(tmp_path)[-1]
    train, heldout = (Shards.open(tmp_path, split, BYTES) for split in ("train", "heldout"))
    assert (train.documents, heldout.documents) == (4, 1)
    for shards, numbers in ((train, [0, 1, 3, 4]), (heldout, [2])):
        assert shards.end == 256
        for place, i in enumerate(numbers):
            assert BYTES.decode(shards.document(place).tolist()) == TEXTS[i]
            assert shards.document_bytes(place) == len(TEXTS[i].encode())
            assert shards.document_id(place) == f"文档 {i}"
        assert shards.text_bytes == sum(len(TEXTS[i].encode()) for i in numbers)
        assert shards.tokens == shards.text_bytes + len(numbers)
    assert last == write.ShardStats(
        5, train.text_bytes + heldout.text_bytes, train.tokens + heldout.tokens
    )


def test_every_document_is_followed_by_end(tmp_path):
    written(tmp_path, texts=["ab", "", "x", "c"])
    train = Shards.open(tmp_path, "train")
    assert train.ids(0, train.tokens).tolist() == [97, 98, 256, 256, 99, 256]
    assert train.take(np.array([[0, 2], [4, 1]])).tolist() == [[97, 256], [99, 98]]


def test_a_stretch_of_tokens_knows_its_documents(tmp_path):
    written(tmp_path, texts=["ab", "", "x", "c"])
    train = Shards.open(tmp_path, "train")  # a b END | END | c END
    assert list(train.documents_in(0, 3)) == [0]
    assert list(train.documents_in(2, 4)) == [0, 1]
    assert list(train.documents_in(3, 4)) == [1]
    assert list(train.documents_in(3, 6)) == [1, 2]
    assert list(train.documents_in(2, 2)) == []


def test_files_do_not_depend_on_workers_nor_on_where_batches_end(tmp_path, monkeypatch):
    texts = [f"line {i}\nand 第{i}行 of text\n" * (i % 7) for i in range(300)]
    tokenizer = BPESettings(vocab=270).train(texts)
    written(tmp_path / "a", tokenizer, texts, workers=1)
    monkeypatch.setattr(write, "BATCH_BYTES", 500)
    monkeypatch.setattr(write, "PIECE_CHARACTERS", 40)
    written(tmp_path / "b", tokenizer, texts, workers=1)
    written(tmp_path / "c", tokenizer, texts, workers=3)
    assert content(tmp_path / "b") == content(tmp_path / "c")
    assert content(tmp_path / "a") == content(tmp_path / "c")


def test_the_index_pins_the_ids_and_their_tokenizer(tmp_path):
    written(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    stored = (tmp_path / "train.bin").read_bytes()
    assert index["splits"]["train"]["sha256"] == hashlib.sha256(stored).hexdigest()
    assert index["tokenizer_sha256"] == BYTES.fingerprint()
    assert (index["dtype"], index["vocab"], index["complete"]) == ("<u2", 257, True)
    assert index["tokens"] == sum(s["tokens"] for s in index["splits"].values())


def test_a_vocabulary_beyond_two_bytes_is_stored_in_four(tmp_path):
    text = " ".join(f"w{i}" for i in range(70_000))
    tokenizer = WordsSettings().train([text])
    written(tmp_path, tokenizer, [text])
    train = Shards.open(tmp_path, "train", tokenizer)
    assert (tmp_path / "train.bin").stat().st_size == 4 * train.tokens
    assert train.document(0).tolist() == tokenizer.encode(text)
    assert train.document(0).max() > 1 << 16


def test_progress_is_told_as_batches_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "BATCH_BYTES", 10)
    told = written(tmp_path)
    assert len(told) > 2
    assert [s.tokens for s in told] == sorted(s.tokens for s in told)
    assert told[-1].documents == len(TEXTS)


def test_few_batches_are_held_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "BATCH_BYTES", 10)
    read = []
    source = (read.append(i) or ("train", Document("0123456789", str(i), "")) for i in range(100))
    for done, _ in enumerate(write_shards(source, BYTES, tmp_path, workers=2), start=1):
        assert len(read) <= done + 4


def test_giving_up_leaves_nothing_that_could_be_taken_for_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "BATCH_BYTES", 10)
    writing = write_shards(documents(), BYTES, tmp_path)
    next(writing)
    assert not (tmp_path / "index.json").exists()
    writing.close()
    assert content(tmp_path) == {}
    with pytest.raises(DataError) as caught:
        Shards.open(tmp_path, "train")
    assert str(caught.value) == (
        f"{tmp_path / 'index.json'}: no such file: the shards are not whole; "
        "tokenise the text again"
    )


@pytest.mark.parametrize("file", ["train.bin", "train.documents.names", "index.json"])
def test_a_full_disk_is_told_and_leaves_nothing_half_written(file, tmp_path, monkeypatch):
    written(tmp_path, texts=["an older run"])
    aside = tmp_path / f".{file}.part"

    def full(descriptor):
        if aside.exists() and os.fstat(descriptor).st_ino == aside.stat().st_ino:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write.os, "fsync", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_234_567))
    with pytest.raises(RunError) as caught:
        written(tmp_path)
    assert str(caught.value) == (
        f"the disk is full after 195 tokens of 5 documents ({tmp_path}, 1 MB free); free some "
        "space or set out to a folder on another disk; nothing half-written was kept"
    )
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(DataError, match="the shards are not whole"):
        Shards.open(tmp_path, "train")


def test_other_failures_of_the_disk_are_passed_on(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileExistsError):
        written(tmp_path / "file")


def test_no_documents_are_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        written(tmp_path, texts=[])
    assert str(caught.value) == (
        f"{tmp_path}: no document to write; look at text.read and at the filters"
    )


def test_a_file_cut_short_is_noticed(tmp_path):
    written(tmp_path)
    path = tmp_path / "train.bin"
    size = path.stat().st_size
    os.truncate(path, size - 2)
    with pytest.raises(DataError) as caught:
        Shards.open(tmp_path, "train")
    assert str(caught.value) == (
        f"{path}: {size - 2} bytes, but index.json says {size}: cut short or replaced; "
        "tokenise the text again"
    )
    path.unlink()
    with pytest.raises(DataError) as caught:
        Shards.open(tmp_path, "train")
    assert str(caught.value) == (
        f"{path}: no such file, though index.json names it; tokenise the text again"
    )


def test_a_missing_split_is_named(tmp_path):
    written(tmp_path, texts=["only train"])
    with pytest.raises(DataError) as caught:
        Shards.open(tmp_path, "heldout")
    assert str(caught.value) == (
        f"{tmp_path / 'index.json'}: no split 'heldout' (there: 'train'); read more text, or "
        "change text.heldout_frac so that it gets some"
    )


def test_ids_of_another_tokenizer_are_refused(tmp_path):
    written(tmp_path)
    other = WordsSettings().train(["a b"])
    with pytest.raises(DataError) as caught:
        Shards.open(tmp_path, "train", other)
    assert str(caught.value) == (
        f"{tmp_path / 'index.json'}: these ids were made by another tokenizer "
        f"({BYTES.fingerprint()[:12]}..., in use is {other.fingerprint()[:12]}...); "
        "tokenise the text again"
    )


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 2}'])
def test_a_damaged_index_is_refused(content, tmp_path):
    written(tmp_path)
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(DataError, match="index.json: .*; tokenise the text again"):
        Shards.open(tmp_path, "train")
