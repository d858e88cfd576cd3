"""Images: a model of digits is asked about files and arrays, and what it saw is shown."""

import gzip
import json
import struct

import numpy as np
import pytest

import lingloom
from lingloom.cli import main
from lingloom.errors import DataError, RecipeError, ShapeError
from lingloom.tasks.images import Image, images_of
from lingloom.text.idx import as_text


def idx(numbers, pack=bytes):
    shape = struct.pack(f">{numbers.ndim}I", *numbers.shape)
    return pack(b"\0\0\x08" + bytes([numbers.ndim]) + shape + numbers.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A run that tells images whose left half is bright from those whose right half is, and files
    of such images."""
    folder = tmp_path_factory.mktemp("images")
    labels = np.arange(40) % 2
    images = np.random.default_rng(0).integers(90, size=(40, 4, 4))
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 2] += 120
    np.save(folder / "images.npy", images)
    (folder / "t-images-idx3-ubyte.gz").write_bytes(idx(images, lambda raw: gzip.compress(raw)))
    (folder / "t-labels-idx1-ubyte").write_bytes(idx(labels))
    (folder / "alone-idx3-ubyte").write_bytes(idx(images[:3]))
    (folder / "cut-idx3-ubyte").write_bytes(idx(images)[: 16 + 5 * 16])
    (folder / "wide-idx3-ubyte").write_bytes(idx(np.zeros((2, 4, 5))))
    (folder / "notes.txt").write_text("no images at all")
    recipe = """text: {read: t-images-idx3-ubyte.gz, heldout_frac: 0.2, dedup: false}
tokens: {kind: pixels}
model: {kind: mlp, context: 16, width: 8}
train: {steps: 60, batch: 16, lr: 1e-2, eval_every: 0}
"""
    (folder / "digits.yaml").write_text(recipe)
    (folder / "texts.tsv").write_text("".join(f"{c}\t{c} {n}\n" for n in range(20) for c in "ab"))
    (folder / "texts.yaml").write_text(
        """text: {read: texts.tsv, field: 2, label_field: 1, heldout_frac: 0.2}
tokens: {kind: words}
model: {kind: textcnn, width: 4, filters: 2, context: 4}
train: {steps: 2, batch: 4, eval_every: 0}
"""
    )
    return folder


@pytest.fixture(scope="module")
def texts_run(here):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        lingloom.run("texts.yaml")


@pytest.fixture(autouse=True)
def inside(here, monkeypatch):
    monkeypatch.chdir(here)


def test_the_line_that_training_prints_names_what_works(capsys):
    assert main(["train", "digits.yaml"]) == 0
    line = next(x for x in capsys.readouterr().err.splitlines() if x.startswith("next "))
    assert line == "next       lingloom ask runs/digits t-images-idx3-ubyte.gz at=1"
    assert main(line.split()[2:]) == 0
    assert capsys.readouterr().out == "0\n"


def test_an_image_is_drawn_in_dots(capsys):
    assert main(["ask", "digits", "t-images-idx3-ubyte.gz", "at=2"]) == 0
    out, err = capsys.readouterr()
    assert out == "1\n"
    first, drawn, chances = err.splitlines()
    assert first == "image 2 of 40 · 第 2 幅，共 40 幅"
    assert drawn == "  ⠀⣿"  # two characters of 4 rows and 2 columns: the right half is bright
    assert chances.startswith("  chances · 概率: 1 ")
    assert chances.endswith("      true · 实为: 1")


def test_the_first_few_are_asked_about_where_none_is_named(capsys):
    assert main(["ask", "digits", "t-images-idx3-ubyte.gz"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == list("01010")
    assert err.splitlines()[-1] == "(at=7 asks about image 7 alone · at=7 只问第 7 幅; 1 to 40)"
    assert main(["ask", "digits", "alone-idx3-ubyte"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == list("010")
    assert "true" not in err and "at=7" not in err


def test_images_are_answered_in_json(capsys):
    assert main(["ask", "digits", "t-images-idx3-ubyte.gz", "at=40", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (image,) = found["images"]
    assert found["file"] == "t-images-idx3-ubyte.gz"
    assert (image["image"], image["label"], image["true"]) == (40, "1", "1")
    assert sum(image["chances"].values()) == pytest.approx(1)
    assert main(["ask", "digits", "alone-idx3-ubyte", "--json"]) == 0
    assert [i["true"] for i in json.loads(capsys.readouterr().out)["images"]] == [None] * 3


def test_arrays_are_told_from_python_as_files_are():
    model, images = lingloom.load("digits"), np.load("images.npy")
    assert model.classify(images[1]) == "1"
    assert model.classify(images[:4]) == list("0101")
    assert model.classify(images[:4].astype(np.float32)) == list("0101")
    _, some = images_of("t-images-idx3-ubyte.gz", 1, 4)
    assert model.classified(images[:4]) == model.classified([image.text for image in some])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda images: images / 255, r"no whole numbers from 0 to 255; give pixels as"),
        (lambda images: images - 200, r"no whole numbers from 0 to 255"),
        (lambda images: images + np.nan, r"no whole numbers from 0 to 255"),
        (lambda images: images.astype(str), r"no whole numbers from 0 to 255"),
        (lambda images: images[0, 0], r"images of shape \[4\]; give an array \(H, W\), or"),
        (lambda images: images[:0], r"images of shape \[0, 4, 4\]; give an array"),
    ],
)
def test_arrays_that_are_no_images_are_refused(change, says):
    with pytest.raises(DataError, match=says):
        lingloom.load("digits").classify(change(np.load("images.npy")))


def test_images_of_another_size_are_refused(capsys):
    with pytest.raises(ShapeError, match="20 pixels are not the 16 of model.context"):
        lingloom.load("digits").classify(np.zeros((2, 4, 5)))
    assert main(["ask", "digits", "wide-idx3-ubyte"]) == 1
    assert "20 pixels are not the 16 of model.context" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["gone-idx3-ubyte"], 1, "gone-idx3-ubyte: cannot be read (No such file or directory); "
         "this model reads images: give an idx file of them"),
        (["notes.txt"], 1, "notes.txt: is no idx file of images; this model reads images"),
        (["t-labels-idx1-ubyte"], 1, "t-labels-idx1-ubyte: is no idx file of images"),
        (["alone-idx3-ubyte", "at=4"], 1, "alone-idx3-ubyte: has no image 4, but 3; ask for one"),
        (["cut-idx3-ubyte", "at=6"], 1, "(the file ends before image 6 of 40 is whole)"),
        (["alone-idx3-ubyte", "at=0"], 2, "at (command line)"),
        (["alone-idx3-ubyte", "decode.beams=2"], 2, "decode.beams (command line): has no effect"),
        (["alone-idx3-ubyte", "another"], 2, "'another' (command line): this model reads one"),
        ([], 1, "no image: this model reads them from idx files; name one after the run"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused(capsys, words, code, says):
    assert main(["ask", "digits", *words]) == code
    assert says in capsys.readouterr().err


def test_models_of_texts_take_no_images(texts_run, capsys):
    with pytest.raises(RecipeError, match="this textcnn reads texts, and no arrays of pixels"):
        lingloom.load("texts").classify(np.zeros((2, 2)))
    assert main(["ask", "texts", "a 1", "at=7"]) == 2
    assert "at (command line): has no effect, this model reads no images" in capsys.readouterr().err


def test_a_drawing_pads_what_dots_do_not_fill_and_takes_the_mean_of_colours():
    ring = np.array([[255, 255, 255], [255, 0, 255], [255, 255, 255]], np.uint8)
    assert Image(1, as_text(ring.ravel()), "", (3, 3)).drawn() == ["⠯⠇"]
    colours = np.stack([ring, ring // 2, ring // 4], axis=-1)
    assert Image(1, as_text(colours.ravel()), "", (3, 3, 3)).drawn() == ["⠯⠇"]
    assert Image(1, as_text(ring[0, :2]), "", (2,)).drawn() == [
        "⠀"
    ]  # all alike: nothing stands out
