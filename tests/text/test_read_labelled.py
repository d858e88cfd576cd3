"""Formats that come with labels: CoNLL columns, idx images, names of files."""

import gzip
import struct

import numpy as np
import pytest

from lingloom.errors import DataError, RecipeError
from lingloom.loading import load
from lingloom.text.clean import CleanSettings, clean
from lingloom.text.estimate import text_bytes
from lingloom.text.idx import as_text
from lingloom.text.prepare import UNEVEN, TextStats, prepare
from lingloom.text.read import TextSettings, documents
from lingloom.text.stream import opened


def read(**settings):
    aside = []
    found = [
        (d.id.rpartition(":")[2], d.text, d.meta.get("label"))
        for d in documents(TextSettings(**settings), aside.append)
    ]
    return found, [(record["line"], record["reason"]) for record in aside]


CONLL = (
    b"-DOCSTART- -X- O O\r\n\r\nEU NNP B-NP B-ORG\r\nrejects VBZ B-VP O\r\n\r\n\r\n"
    b"# sent_id = 2\r\nParis NNP B-NP B-LOC\r\n"
)


def test_sentences_of_conll_are_words_and_their_labels(tmp_path):
    file = tmp_path / "a.conll"
    file.write_bytes(CONLL)
    found, aside = read(read=str(file), label_field=4)
    assert found == [("3", "EU rejects", "B-ORG O"), ("8", "Paris", "B-LOC")]
    assert not aside
    found, _ = read(read=str(file), field=2)
    assert found == [("3", "NNP VBZ", None), ("8", "NNP", None)]


def test_each_word_of_conll_knows_its_line(tmp_path):
    file = tmp_path / "a.conll"
    file.write_text("\na\tO\n# newpar\nb\tO\n\nc\tO\n")
    found = [d.meta for d in documents(TextSettings(read=str(file), label_field=2), print)]
    assert found == [{"label": "O O", "lines": [2, 4]}, {"label": "O", "lines": [6]}]


def test_positions_in_longer_words_are_left_out(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("科0\tO\n技1\tO\n\n80\tB-X\n")
    found, _ = read(read=str(file), format="conll", label_field=2, word_positions=True)
    assert found == [("1", "科 技", "O O"), ("4", "8", "B-X")]


def test_a_sentence_with_a_wrong_line_is_set_aside_as_a_whole(tmp_path):
    file = tmp_path / "a.conll"
    file.write_text("a\tO\nb\n\nc\tO\n\nd\tO\tO\ne\tO\n\nf g\tO\n\nh\t \n\ni\tO")
    found, aside = read(read=str(file), label_field=2)
    assert found == [("4", "c", "O"), ("13", "i", "O")]
    left_out = "; the sentence of line {} is left out"
    assert aside == [
        (2, "1 columns; the file's first line has 2" + left_out.format(1)),
        (6, "3 columns; the file's first line has 2" + left_out.format(6)),
        (9, "word 'f g' is empty or holds a blank" + left_out.format(9)),
        (11, "label '' is empty or holds a blank" + left_out.format(11)),
    ]


def test_columns_that_a_conll_file_has_not_are_told_by_line(tmp_path):
    file = tmp_path / "a.conll"
    file.write_text("a O\n")
    with pytest.raises(DataError, match="no document in 1 files"):
        read(read=str(file), label_field=3)
    with pytest.raises(RecipeError) as error:
        read(read=str(file), label_field="tag")
    assert str(error.value) == (
        "text.label_field: tag, but conll files have no names of columns; set the number of the "
        "column, from 1"
    )


def test_a_document_whose_words_cleaning_takes_away_is_dropped(tmp_path):
    file = tmp_path / "a.conll"
    file.write_text("a\tO\n\u200b\tO\n\nb\tO\nc\tX\n")
    dropped, stats = [], TextStats()
    settings = TextSettings(read=str(file), label_field=2, heldout_frac=0)
    found = list(prepare(settings, dropped.append, print, stats, word_labels=True))
    assert [document.text for _, document in found] == ["b c"]
    assert [row["reason"] for row in dropped] == [UNEVEN]
    assert stats.dropped == {UNEVEN: 1}


# --------------------------------------------------------------------------- images


def images_file(path, images, *, spoil=b""):
    images = np.asarray(images, np.uint8)
    header = b"\0\0\x08" + bytes([images.ndim]) + struct.pack(f">{images.ndim}I", *images.shape)
    raw = header + images.tobytes() + spoil
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return str(path)


IMAGES = np.arange(12).reshape(2, 2, 3) * 20


@pytest.mark.parametrize("end", ["", ".gz"])
def test_images_become_texts_of_one_character_a_pixel_with_their_labels(tmp_path, end):
    name = images_file(tmp_path / f"t10k-images-idx3-ubyte{end}", IMAGES)
    images_file(tmp_path / f"t10k-labels-idx1-ubyte{end}", [7, 2])
    found, aside = read(read=name)
    assert found == [("1", "⠀⠔⠨⠼⡐⡤", "7"), ("2", "⡸⢌⢠⢴⣈⣜", "2")]
    assert not aside
    assert TextSettings(read=name).labelled


@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_images_in_a_folder_are_told_by_how_they_begin(tmp_path, packed):
    images_file(tmp_path / "raw", IMAGES)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "t10k-images").write_bytes(packed((tmp_path / "raw").read_bytes()))
    images_file(tmp_path / "raw", [7, 2])
    (tmp_path / "digits" / "t10k-labels").write_bytes(packed((tmp_path / "raw").read_bytes()))
    (tmp_path / "digits" / "notes").write_bytes(b"\0\0\x08")
    name = str(tmp_path / "digits")
    found, aside = read(read=name)
    assert found == [("1", "⠀⠔⠨⠼⡐⡤", "7"), ("2", "⡸⢌⢠⢴⣈⣜", "2")]
    assert aside == [
        (0, "found in a folder, and its suffix is not one of a text format"),
        (0, "labels, which are read with their images"),
    ]
    assert TextSettings(read=name).labelled
    size = {"plain": 28, "gzip": 3.5 * (tmp_path / "digits" / "t10k-images").stat().st_size}
    assert text_bytes(TextSettings(read=name)) >= 3 * size["plain"]


def test_a_folder_without_images_has_no_labels_and_one_that_is_gone_may_have(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b").write_bytes(b"\0\0\x09\3 no images")
    assert not TextSettings(read=str(tmp_path)).labelled
    assert TextSettings(read=str(tmp_path / "gone")).labelled
    for entry in (str(tmp_path / "gone.txt"), "python:topics", "-"):
        assert not TextSettings(read=entry).labelled


def test_a_file_is_opened_once_to_tell_whether_it_holds_images(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("text")
    looked = []
    monkeypatch.setattr(
        "lingloom.text.idx.opened", lambda path: looked.append(path) or opened(path)
    )
    for _ in range(3):
        assert not TextSettings(read=str(tmp_path)).labelled
    assert looked == [tmp_path / "a"]
    images_file(tmp_path / "a", np.zeros((1, 2, 2), np.uint8))
    assert TextSettings(read=str(tmp_path)).labelled


def test_all_pixels_outlive_cleaning():
    text = as_text(np.arange(256, dtype=np.uint8))
    assert clean(text, CleanSettings()) == text
    assert clean(text[::-1], CleanSettings(normalise="nfkc", width="half")) == text[::-1]


def test_labels_of_images_may_be_named(tmp_path):
    name = images_file(tmp_path / "digits.bin", IMAGES)
    labels = images_file(tmp_path / "told.bin", [3, 4])
    found, _ = read(read=name, format="idx", labels=labels)
    assert [label for _, _, label in found] == ["3", "4"]
    found, _ = read(read=name, format="idx")
    assert [label for _, _, label in found] == [None, None]


def test_labels_of_other_images_are_refused(tmp_path):
    name = images_file(tmp_path / "a-images-idx3-ubyte", IMAGES)
    labels = tmp_path / "a-labels-idx1-ubyte"
    images_file(labels, [1, 2, 3])
    with pytest.raises(DataError) as error:
        read(read=name)
    assert str(error.value) == (
        f"{labels}: 3 labels, but {name} has 2 images; set text.labels to the labels of these "
        "images"
    )
    images_file(labels, [1, 2], spoil=b"x")
    with pytest.raises(DataError, match="not a whole idx file of labels; copy it again"):
        read(read=name)
    with pytest.raises(DataError, match=r"none: No such file or directory; copy it again"):
        read(read=name, labels=str(tmp_path / "none"))


def test_damaged_images_are_set_aside_from_where_they_are_damaged(tmp_path):
    name = images_file(tmp_path / "a-images-idx3-ubyte", IMAGES)
    raw = (tmp_path / "a-images-idx3-ubyte").read_bytes()
    (tmp_path / "a-images-idx3-ubyte").write_bytes(raw[:-1])
    found, aside = read(read=name)
    assert [place for place, _, _ in found] == ["1"]
    assert aside == [(2, "the file ends before image 2 of 2 is whole")]
    images_file(tmp_path / "a-images-idx3-ubyte", IMAGES, spoil=b"x")
    found, aside = read(read=name)
    assert len(found) == 2
    assert aside == [(0, "bytes behind the last of 2 images")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"no idx file", "not an idx file of unsigned bytes"),
        (b"\0\0\x0d\1\0\0\0\1abcd", "not an idx file of unsigned bytes"),
        (b"\0\0\x08\3\0\0", "not an idx file of unsigned bytes"),
        (b"\0\0\x08\1\0\0\0\1a", "labels, which are read with their images"),
        (b"\0\0\x08\2\0\0\0\1\0\0\0\0", "images of 0 pixels; 1 to 1048576 are read"),
        (
            b"\0\0\x08\3\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff",
            "images of 18446744065119617025 pixels; 1 to 1048576 are read",
        ),
    ],
)
def test_what_are_no_images_is_set_aside(tmp_path, raw, reason):
    (tmp_path / "a.bin").write_bytes(raw)
    good = images_file(tmp_path / "good-images-idx3-ubyte", IMAGES)
    found, aside = read(read=[str(tmp_path / "a.bin"), good], format="idx")
    assert len(found) == 2
    assert aside == [(0, reason)]


# --------------------------------------------------------------------------- names


def test_names_of_files_and_folders_may_be_labels(tmp_path):
    (tmp_path / "pos").mkdir()
    (tmp_path / "neg.txt.gz").write_bytes(gzip.compress(b"bad\nworse\n"))
    (tmp_path / "pos" / "1.txt").write_text("good")
    settings = {"read": [str(tmp_path / "neg.txt.gz"), str(tmp_path / "pos")], "unit": "line"}
    found, _ = read(**settings, label_from="file")
    assert found == [("1", "bad", "neg"), ("2", "worse", "neg"), ("1", "good", "1")]
    found, _ = read(**settings, label_from="folder")
    assert [label for _, _, label in found] == [tmp_path.name, tmp_path.name, "pos"]
    assert TextSettings(**settings, label_from="file").labelled
    assert not TextSettings(**settings).labelled


def test_a_label_of_blanks_is_none(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("text,label\na, \nb,x\n")
    found, aside = read(read=str(file), label_field="label")
    assert found == [("3", "b", "x")]
    assert aside == [(2, "no label in field 'label'")]


def test_a_line_that_cannot_be_decoded_takes_its_sentence_with_it(tmp_path):
    file = tmp_path / "a.conll"
    file.write_bytes("华为\tB\nJohn\tO\n".encode() + b"\xff\xfe\tO\nLondon\tB\n\nParis\tB\n")
    found, aside = read(read=str(file), label_field=2, encoding="utf-8")
    assert found == [("6", "Paris", "B")]
    assert aside[-1] == (3, "the line cannot be decoded; the sentence of line 1 is left out")


def test_labels_may_be_lists_and_numbers_in_jsonl(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "a b", "l": ["O", "B"]}\n{"text": "c", "l": 4.5}\n{"text": "d"}\n')
    found, aside = read(read=str(file), label_field="l")
    assert found == [("1", "a b", "O B"), ("2", "c", "4.5")]
    assert aside == [(3, "no label in field 'l'")]


def test_text_without_fields_is_set_aside_where_labels_are_asked_for():
    with pytest.raises(DataError, match="no document in 1 files"):
        read(read="python:topics", label_field="l")


def test_a_label_comes_from_one_place(tmp_path):
    with pytest.raises(RecipeError, match="label_field and label_from=file both say"):
        load(TextSettings, {"read": "x", "label_field": "l", "label_from": "file"})
