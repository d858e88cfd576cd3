"""Word vectors in files: bytes known by hand, and damage that is named."""

import gzip
import struct

import numpy as np
import pytest

from lingloom.errors import DataError, RunError
from lingloom.models.vector_files import is_vector_file, read_vectors, write_vectors

WORDS = ["the", "海浪", "x"]
VECTORS = np.array([[1, -0.5], [0.1, 3e-30], [0, 2]], dtype=np.float32)
BINARY = b"3 2\n" + b"".join(
    word.encode() + b" " + struct.pack("<2f", *row) + b"\n"
    for word, row in zip(WORDS, VECTORS.tolist(), strict=True)
)
TEXT = "3 2\nthe 1.0 -0.5\n海浪 0.1 3e-30\nx 0.0 2.0\n".encode()


@pytest.mark.parametrize("name, content", [("v.bin", BINARY), ("v.txt", TEXT)])
def test_vectors_are_written_byte_for_byte_as_word2vec_does(tmp_path, name, content):
    write_vectors(tmp_path / name, WORDS, VECTORS)
    assert (tmp_path / name).read_bytes() == content
    words, vectors = read_vectors(tmp_path / name)
    assert words == WORDS
    assert vectors.dtype == np.float32 and np.array_equal(vectors, VECTORS)


@pytest.mark.parametrize("name", ["v.bin.gz", "v.vec.gz"])
def test_compressed_files_are_read_and_written(tmp_path, name):
    write_vectors(tmp_path / name, WORDS, VECTORS)
    assert gzip.decompress((tmp_path / name).read_bytes()) == (BINARY if "bin" in name else TEXT)
    assert read_vectors(tmp_path / name)[0] == WORDS


def test_files_of_gensim_and_glove_are_read(tmp_path):
    without_breaks = b"2 1\na " + struct.pack("<f", 10.0) + b"b " + struct.pack("<f", 2.5)
    (tmp_path / "gensim.bin").write_bytes(without_breaks)
    (tmp_path / "glove.txt").write_bytes(b". . . 1 2 3\r\nb -1 0.25 1e3 \n")
    words, vectors = read_vectors(tmp_path / "gensim.bin")
    assert words == ["a", "b"] and vectors.tolist() == [[10.0], [2.5]]
    words, vectors = read_vectors(tmp_path / "glove.txt")
    assert words == [". . .", "b"] and vectors.tolist() == [[1, 2, 3], [-1, 0.25, 1000]]
    (tmp_path / "glove.txt").write_bytes(b". . . 1 2 3\r\n")
    with pytest.raises(DataError, match=r"glove.txt:1: not a word and 5 numbers, and line 1 has"):
        read_vectors(tmp_path / "glove.txt")
    (tmp_path / "glove.txt").write_bytes(b"a 1 2 3\r\n. . . -1 0.25 1e3 \n")
    words, vectors = read_vectors(tmp_path / "glove.txt")
    assert words == ["a", ". . ."] and vectors.tolist() == [[1, 2, 3], [-1, 0.25, 1000]]


@pytest.mark.parametrize("header", ["4 2\n", ""])
@pytest.mark.parametrize("word", [". . .", "at name@domain.com", "iphone 6", "web 2.0", "1 2/3"])
def test_a_word_may_have_spaces_where_the_width_is_settled(tmp_path, header, word):
    rows = f"{word} 0.35 -0.25\nthe 0.10 0.2000\n{word} 1.25 1e-05\nyou 0.25 0.50\n"
    (tmp_path / "v.txt").write_text(header + rows)
    words, vectors = read_vectors(tmp_path / "v.txt")
    assert words == [word, "the", word, "you"]
    np.testing.assert_allclose(vectors, [[0.35, -0.25], [0.1, 0.2], [1.25, 1e-5], [0.25, 0.5]])


@pytest.mark.parametrize(
    "rows, says",
    [
        ("the 0.1 0.2\nyou 0.1 0.2 0.3\n", ":2: 3 numbers behind 'you', but line 1 has 2; the"),
        ("you 0.1 0.2 0.3\nthe 0.1 0.2\n", ":1: 3 numbers behind 'you', but line 2 has 2; the"),
        ("2 2\nthe 0.1 0.2\nyou 0.1 0.2 0.3\n", ":3: 3 numbers behind 'you', but the first line"),
        ("2 2\nthe 0.1 0.2 3e-5 0.5\nyou 1 2\n", ":2: 4 numbers behind 'the', but the first line"),
        ("a 1 2\nb 1 2 3\n", ":2: 3 numbers behind 'b', but line 1 has 2"),
        ("a 1 2\nb\n", ":2: not a word and 2 numbers, and line 1 has 2"),
        ("a b 0.1 0.2\n" * 9 + "c 0.1 0.2 0.3\n", ":1: not a word and 3 numbers"),
        ("a 0.1 0.2\n" * 20 + "b 0.1\n", ":21: not a word and 2 numbers, and line 1 has 2"),
        ("a 0.1 0.2\n" * 20 + "b -.5 0.1 7.5\n", ":21: 3 numbers behind 'b', but line 1 has 2"),
    ],
)
def test_rows_of_different_widths_are_refused(tmp_path, rows, says):
    (tmp_path / "v.txt").write_text(rows)
    with pytest.raises(DataError, match=f"v.txt{says}"):
        read_vectors(tmp_path / "v.txt")


def test_only_the_words_that_are_wanted_are_kept(tmp_path):
    write_vectors(tmp_path / "v.txt", WORDS, VECTORS)
    words, vectors = read_vectors(tmp_path / "v.txt", keep={"x", "y"})
    assert words == ["x"] and vectors.tolist() == [[0, 2]]
    assert read_vectors(tmp_path / "v.txt", keep={"y"})[0] == []


def test_a_word_with_blanks_becomes_one_word(tmp_path):
    write_vectors(tmp_path / "v.txt", ["a b", "", "\n"], np.eye(3))
    assert read_vectors(tmp_path / "v.txt")[0] == ["a<U+0020>b", "<>", "<U+000A>"]


@pytest.mark.parametrize(
    "name, content, says",
    [
        ("v.bin", BINARY[:-3], "ends within word 3 of 3"),
        ("v.bin", BINARY[:20], "no room for"),
        ("v.bin", BINARY + b"more", "goes on after its 3 words of width 2"),
        ("v.bin", b"3 1\n" + BINARY[4:], "goes on after its 3 words|no space ends word"),
        ("v.bin", b"99999999999 300\n" + BINARY[4:], "no room for"),
        ("v.bin", b"1 3\n" + b"x" * 5000, "no space ends word 1 within 4096 bytes"),
        ("v.bin", b"", "does not begin with a line 'WORDS WIDTH'"),
        ("v.bin", b"hello there\n", "name it .txt if it is text"),
        ("v.txt", b"", "v.txt:1: neither"),
        ("v.txt", b"alone\n", "v.txt:1: neither"),
        ("v.txt", TEXT[:-10], "2 words, but its first line says 3|not a word and 2 numbers"),
        ("v.txt", b"1 0\nx\n", "no room for"),
        ("v.txt", b"2 2\na 1 2\nb 1\n", "v.txt:3: not a word and 2 numbers"),
        ("v.txt", b"1 2\na 1 two\n", "v.txt:2: not a word and 2 numbers"),
        ("v.txt", b"1 2\na 1 nan\n", "the vector of 'a' is not finite"),
        ("v.txt.gz", b"no gzip", "cannot be read"),
        ("v.txt.gz", gzip.compress(TEXT, mtime=0)[:-12], "cannot be read"),
    ],
)
def test_damage_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_vectors(tmp_path / name)


def test_what_is_missing_or_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_vectors(tmp_path / "none.txt")
    with pytest.raises(RunError, match="none/v.txt"):
        write_vectors(tmp_path / "none" / "v.txt", WORDS, VECTORS)
    with pytest.raises(DataError, match=r"2 words for vectors of shape \[3, 2\]"):
        write_vectors(tmp_path / "v.txt", WORDS[:2], VECTORS)


def test_names_tell_files_of_vectors():
    assert all(is_vector_file(name) for name in ("a.txt", "a.vec", "a.bin", "b/a.bin.gz"))
    assert not any(is_vector_file(name) for name in ("a", "a.arpa", "runs/x", "a.gz"))
