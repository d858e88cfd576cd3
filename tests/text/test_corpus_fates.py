"""What becomes of each document of a corpus, where it is known by how the corpus is made."""

import json
import random
from collections import Counter

import pytest

from lingloom.text.corpus.budget import budget
from lingloom.text.corpus.build import build
from lingloom.text.corpus.executor import Local
from lingloom.text.corpus.manifest import manifest, put_in_place
from lingloom.text.corpus.opened import Corpus
from lingloom.text.corpus.settings import CorpusSettings
from lingloom.text.filters.language import LanguageSettings
from lingloom.text.filters.short import ShortSettings

EXACT, NEAR, SHORT = "exact duplicate", "near duplicate", "short: fewer than 100 characters"
ALL_TRAIN = {"validation_frac": 0, "test_frac": 0}


def english(seed: int, words: int = 80) -> str:
    draw = random.Random(f"en{seed}")
    return " ".join("".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(words))


def chinese(seed: int, chars: int = 240) -> str:
    draw = random.Random(f"zh{seed}")
    return "".join(chr(draw.randrange(0x4E00, 0x9FA5)) for _ in range(chars)) + "。"


def write(path, texts):
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), "utf-8")
    return str(path)


def made(folder, read, **settings) -> Corpus:
    whole = CorpusSettings.model_validate({"text": {"read": read}, **settings})
    work, out = folder / "work", folder / "out"
    stages = build(whole, budget(whole), work, Local(1))
    try:
        while True:
            next(stages)
    except StopIteration as end:
        built = end.value
    figures = manifest(whole, work, built)
    put_in_place(work, out, built)
    return Corpus(out, figures)


def fates(corpus):
    """id -> 'train' and so on, or (reason, of)."""
    found = {d["id"]: (d["reason"], d["of"]) for d in corpus.dropped()}
    for split in corpus.splits:
        for document in corpus.documents(split):
            assert found.setdefault(document.id, split) == split
    return found


def require_sums(corpus):
    """in = kept + dropped + set aside, of the whole and of each source; and as in the files."""
    kept = Counter(d.source for s in corpus.splits for d in set_of(corpus, s))
    dropped = Counter(d["source"] for d in corpus.dropped())
    for name, source in corpus.manifest["sources"].items():
        assert source["kept"] == kept[name]
        assert sum(n for n, _ in source["dropped"].values()) == dropped[name]
        assert source["documents"] == kept[name] + dropped[name]
    figures = corpus.manifest
    assert figures["documents"] == kept.total() + dropped.total()
    assert sum(n for n, _ in figures["dropped"].values()) == dropped.total()
    assert sum(split["documents"] for split in figures["kept"].values()) == kept.total()


def set_of(corpus, split):
    return {d.id: d for d in corpus.documents(split)}.values()


@pytest.fixture
def planted(tmp_path):
    """Two files and what must become of their lines."""
    shared = english(1000, 20)
    a = [english(i) for i in range(20)]
    a += [a[3].upper(), a[5] + " and a little more", "too short"]
    b = [chinese(i) for i in range(20)]
    b += [b[4][:-8], a[7], english(31, 40) + " " + shared + " " + english(32, 40)]
    one, two = (str(tmp_path / name) for name in ("a.jsonl", "b.jsonl"))
    write(tmp_path / "a.jsonl", a)
    write(tmp_path / "b.jsonl", b)
    with open(two, "a") as file:
        file.write("{broken\n")
    (tmp_path / "eval.txt").write_text(shared + "\nfar too short to be looked for\n")
    evaluation = str(tmp_path / "eval.txt")
    expected = {f"{one}:{i}": "train" for i in range(1, 24)}
    expected |= {f"{two}:{i}": "train" for i in range(1, 24)}
    expected |= {
        f"{one}:21": (EXACT, f"{one}:4"),
        f"{one}:6": (NEAR, f"{one}:22"),
        f"{one}:23": (SHORT, None),
        f"{two}:21": (NEAR, f"{two}:5"),
        f"{two}:22": (EXACT, f"{one}:8"),
        f"{two}:23": (f"overlaps {evaluation}", None),
    }
    settings = {
        "filters": [ShortSettings(min_chars=100)],
        "decontaminate": {"read": evaluation},
        "split": ALL_TRAIN,
    }
    return [one, two], expected, settings


def test_every_document_goes_where_it_must(tmp_path, planted):
    read, expected, settings = planted
    corpus = made(tmp_path, read, **settings)
    assert fates(corpus) == expected
    require_sums(corpus)
    figures = corpus.manifest
    assert figures["set_aside"] == 1
    assert figures["documents"] == 46
    assert figures["duplicates"]["exact"] == 2
    assert figures["duplicates"]["near"] == 2
    assert figures["duplicates"]["cluster_sizes"] == {"2": 2}
    hits = figures["benchmarks"]
    assert [n["dropped"] for n in hits.values()] == [1, 0]
    assert next(iter(hits.values()))["documents"] == 2


@pytest.mark.parametrize(
    ("keep", "stays"),
    [
        ({"keep": "longest"}, "b"),
        ({"keep": "earliest"}, "a"),
        ({"keep": "best_source", "sources": ["*c.jsonl"]}, "c"),
    ],
    ids=["longest", "earliest", "best source"],
)
def test_of_a_cluster_the_stated_document_stays(tmp_path, keep, stays):
    text = english(1, 120)
    texts = {"a": text, "b": text + " longest of the three", "c": text + " last"}
    read = [
        write(tmp_path / f"{n}.jsonl", [t, english(i)]) for i, (n, t) in enumerate(texts.items())
    ]
    corpus = made(tmp_path, read, dedup=keep, split=ALL_TRAIN)
    found = fates(corpus)
    kept = str(tmp_path / f"{stays}.jsonl") + ":1"
    for name in read:
        assert found[f"{name}:1"] == ("train" if f"{name}:1" == kept else (NEAR, kept))
        assert found[f"{name}:2"] == "train"


def test_weights_leave_out_halve_and_repeat(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # copies are drawn by id, and ids hold the path as it was given
    read = [
        write(tmp_path / f"{name}.jsonl", [english(40 * i + k, 30) for k in range(40)])
        for i, name in enumerate("abc")
    ]
    weights = {"*a.jsonl": 0, "*b.jsonl": 2.0, "*c.jsonl": 0.5}
    corpus = made(tmp_path, read, weights=weights, split=ALL_TRAIN)
    copies = Counter(d.id for d in corpus.documents("train"))
    texts = {d.id: d.text for d in corpus.documents("train")}
    of = {name: [f"{name}:{k}" for k in range(1, 41)] for name in read}
    assert all(copies[i] == 0 for i in of[read[0]])
    assert all(copies[i] == 2 for i in of[read[1]])
    assert all(copies[i] in (0, 1) for i in of[read[2]])
    assert 10 <= sum(copies[i] for i in of[read[2]]) <= 30
    assert texts[f"{read[1]}:5"] == english(44, 30)
    require_sums(corpus)
    assert {d["reason"] for d in corpus.dropped()} == {"weight of the source"}
    kept = corpus.manifest["kept"]["train"]
    assert (kept["documents"], kept["copies"]) == (len(copies), copies.total())
    assert kept["bytes"] == sum(len(d.text) for d in corpus.documents("train"))


def test_what_a_weight_leaves_out_takes_no_equal_document_with_it(tmp_path):
    texts = [english(k, 60) for k in range(20)]
    read = [write(tmp_path / f"{name}.jsonl", texts) for name in "ab"]
    corpus = made(tmp_path, read, weights={"*a.jsonl": 0}, split=ALL_TRAIN)
    assert {d.id for d in corpus.documents("train")} == {f"{read[1]}:{k}" for k in range(1, 21)}
    assert corpus.manifest["dropped"] == {"weight of the source": [20, 20 * len(texts[0])]}
    require_sums(corpus)


def test_files_are_as_large_as_asked_whatever_the_weights(tmp_path):
    big = write(tmp_path / "big.jsonl", [english(k, 400) for k in range(1500)])
    small = write(tmp_path / "small.jsonl", [english(9000 + k, 10) for k in range(10)])
    corpus = made(tmp_path, [big, small], weights={"*small*": 50}, split=ALL_TRAIN, shard_mb=1)
    sizes = [f["bytes"] for f in corpus.manifest["files"] if f["path"].startswith("train")]
    assert len(sizes) == 4
    assert all(0.5e6 < size < 2e6 for size in sizes)


def test_copies_of_held_out_documents_are_not_made(tmp_path):
    read = write(tmp_path / "a.jsonl", [english(k, 30) for k in range(60)])
    split = {"validation_frac": 0.3, "test_frac": 0.3}
    corpus = made(tmp_path, read, weights={"*": 3}, split=split)
    for split, each in (("validation", 1), ("test", 1), ("train", 3)):
        copies = Counter(d.id for d in corpus.documents(split))
        assert copies and set(copies.values()) == {each}


LINE = "All rights reserved by the makers of this page, now and for ever."


def test_repeated_lines_go_but_for_the_first_and_short_ones_stay(tmp_path):
    texts = [f"{english(i)}\n{LINE}\nshort line" for i in range(3)] + [LINE.upper()]
    read = write(tmp_path / "a.jsonl", texts)
    corpus = made(tmp_path, read, dedup={"passages": "line"}, split=ALL_TRAIN)
    texts = {d.id: d.text for d in corpus.documents("train")}
    assert texts == {
        f"{read}:1": f"{english(0)}\n{LINE}\nshort line",
        f"{read}:2": f"{english(1)}\nshort line",
        f"{read}:3": f"{english(2)}\nshort line",
    }
    assert fates(corpus)[f"{read}:4"] == ("nothing but repeated lines", None)
    assert corpus.manifest["shortened"] == 2  # the fourth is dropped, not shortened
    stage = {row["stage"]: row for row in corpus.manifest["stages"]}["dedup"]
    assert stage["bytes_out"] == sum(map(len, texts.values()))
    require_sums(corpus)


def test_repeated_paragraphs_go_and_their_lines_elsewhere_stay(tmp_path):
    paragraph = f"{LINE}\nSecond line of it."
    texts = [
        f"{english(1)}\n\n{paragraph}",
        f"{english(2)}\n\n{paragraph}",
        f"{english(3)}\n{LINE}",
    ]
    read = write(tmp_path / "a.jsonl", texts)
    corpus = made(tmp_path, read, dedup={"passages": "paragraph"}, split=ALL_TRAIN)
    found = {d.id: d.text for d in corpus.documents("train")}
    assert [found[f"{read}:{i}"] for i in (1, 2, 3)] == [texts[0], english(2), texts[2]]


SPLITS = {"validation_frac": 0.25, "test_frac": 0.25}


def test_equal_texts_are_in_one_split_even_where_all_are_kept(tmp_path):
    texts = [english(i, 30) for i in range(60)]
    read = [write(tmp_path / f"{name}.jsonl", texts) for name in "ab"]
    plain = {"exact": False, "near": False}
    corpus = made(tmp_path, read, dedup=plain, split=SPLITS, decontaminate={"held_out": False})
    found = fates(corpus)
    assert len(found) == 120
    assert all(found[f"{read[0]}:{i}"] == found[f"{read[1]}:{i}"] for i in range(1, 61))
    assert set(found.values()) == {"train", "validation", "test"}


def test_no_near_duplicate_of_what_is_held_out_is_trained_on(tmp_path):
    texts = [english(i) for i in range(60)]
    read = [
        write(tmp_path / "a.jsonl", texts),
        write(tmp_path / "b.jsonl", [t + " with an end" for t in texts]),
    ]
    plain = {"exact": False, "near": False}
    found = fates(made(tmp_path, read, dedup=plain, split=SPLITS))
    overlaps = 0
    for i in range(1, 61):
        pair = [found[f"{name}:{i}"] for name in read]
        if "train" in pair:
            assert not {"validation", "test"} & set(pair)
        overlaps += ("overlaps the held-out documents", None) in pair
    assert overlaps > 10
    (tmp_path / "again").mkdir()
    found = fates(made(tmp_path / "again", read, split=SPLITS))
    for i in range(1, 61):
        first, second = (found[f"{name}:{i}"] for name in read)
        assert first == (NEAR, f"{read[1]}:{i}")
        assert second in ("train", "validation", "test")


def test_the_seed_changes_the_order_and_nothing_else(tmp_path):
    read = write(tmp_path / "a.jsonl", [english(k, 30) for k in range(80)])
    orders, texts = [], []
    for seed in (0, 0, 1):
        folder = tmp_path / f"{len(orders)}"
        folder.mkdir()
        corpus = made(folder, read, seed=seed, split=SPLITS)
        orders.append([d.id for d in corpus.documents("train")])
        texts.append({d.id: d.text for s in corpus.splits for d in corpus.documents(s)})
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) != orders[2]
    assert texts[0] == texts[2] and len(texts[0]) == 80


def test_planted_near_duplicates_are_counted_and_change_nothing(tmp_path):
    read = write(
        tmp_path / "a.jsonl",
        [english(k) for k in range(30)] + [chinese(k) for k in range(30)],
    )
    folders = [tmp_path / "with", tmp_path / "without"]
    found = []
    for folder, audit in zip(folders, (True, False), strict=True):
        folder.mkdir()
        found.append(made(folder, read, dedup={"audit": audit}, split=ALL_TRAIN))
    shown = found[0].manifest["audit"]
    assert shown["Chinese"]["recall"]["n"] > 5 < shown["spaced scripts"]["recall"]["n"]
    assert all(shown[s]["recall"]["frac"] > 0.9 for s in ("Chinese", "spaced scripts"))
    assert all(shown[s]["precision"]["frac"] == 1 for s in ("Chinese", "spaced scripts"))
    assert shown["removed"] == {"frac": None, "n": 0}
    assert found[1].manifest["audit"] == {}
    assert found[0].manifest["files"] == found[1].manifest["files"]


def greek(seed: int) -> str:
    draw = random.Random(f"el{seed}")
    return " ".join("".join(draw.choices("αβγδεζηθικλμνξο", k=6)) for _ in range(40))


def test_languages_of_what_is_kept_are_counted_where_a_rule_asks_for_them(tmp_path):
    hangul = "나무 아래에 앉은 사람은 오래된 책을 읽으며 바람 소리를 들었다. " * 3
    one = write(tmp_path / "one.jsonl", [*map(greek, range(5)), greek(2), hangul, "1 2 3 4"])
    two = write(tmp_path / "two.jsonl", [chinese(1), hangul, greek(9)])
    rules = LanguageSettings(keep=["zh", "el"], min_score=0.5)
    parts = {"split": ALL_TRAIN, "weights": {"*two*": 3}, "dedup": {"near": False}}
    figures = made(tmp_path, [one, two], filters=[rules], **parts).manifest
    sizes = [len(greek(seed).encode()) for seed in (0, 1, 2, 3, 4, 9)]
    (name,) = {name for name in figures["languages"] if name != "el"}
    assert name.startswith("zh")
    assert figures["sources"][one]["languages"] == {"el": [5, sum(sizes[:5])]}
    chinese_too = [1, len(chinese(1).encode())]
    assert figures["sources"][two]["languages"] == {"el": [1, sizes[5]], name: chinese_too}
    assert figures["languages"] == {"el": [6, sum(sizes)], name: chinese_too}
    assert list(figures["languages"]) == ["el", name]  # the most first


def test_rules_for_one_language_count_all_and_no_rule_counts_none(tmp_path):
    read = write(tmp_path / "one.jsonl", [chinese(1), greek(1), "1 2 3 4"])
    rules = ShortSettings(min_chars=100, only=["zh"])
    found = made(tmp_path / "a", read, filters=[rules], split=ALL_TRAIN).manifest["languages"]
    assert sorted((name.partition("-")[0], n) for name, (n, _) in found.items()) == [
        *(("el", 1), ("und", 1), ("zh", 1))
    ]
    none = made(tmp_path / "b", read, filters=[ShortSettings(min_chars=1)], split=ALL_TRAIN)
    assert none.manifest["languages"] == {} == none.manifest["sources"][read]["languages"]
