"""A chain of labels above any network that tells words: against all paths, counted one by one."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from lingloom.errors import RecipeError
from lingloom.loading import load
from lingloom.models.bert import BertSettings
from lingloom.models.crf import CRFSettings
from lingloom.models.kinds import MODELS as ROWS
from lingloom.settings import Kinds
from lingloom.tokens.batch import IGNORE, Passages
from lingloom.train.objectives.tag import TagSettings
from lingloom.train.settings import RegulariseSettings, TrainSettings

NAMES = ["B-X", "I-X", "B-Y", "I-Y", "O"]
L = len(NAMES)
SIZES = {"vocab": 17, "context": 9, "labels": L, "label_names": NAMES, "chain": True}
FAMILIES = [
    CRFSettings(**SIZES, width=6, embed_width=5, dropout=0),
    BertSettings(**SIZES, head="tag", layers=1, heads=2, width=8),
]
every_family = pytest.mark.parametrize("settings", FAMILIES, ids=lambda s: s.kind)
WORDS = [[1, 2, 5, 6], [3], []]
"""Places at which words begin, of each row."""


def fresh(settings, scale=1.0):
    torch.manual_seed(2)
    model = settings.build().eval()
    assert not any(parameter.any() for parameter in model.chain.parameters())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += scale * torch.randn_like(parameter)
    return model


def rows():
    """Rows with signs around the text, and words of several tokens."""
    torch.manual_seed(3)
    targets = torch.full((3, 8), IGNORE)
    for b, places in enumerate(WORDS):
        targets[b, places] = torch.randint(L, (len(places),))
    return Passages(torch.randint(17, (3, 8)), torch.ones(3, 8) > 0, targets=targets)


def paths_of(model, scores, size):
    """Every path of labels over `scores` (T, L), and what it scores: Lample et al. 2016, section
    2.2, term by term."""
    paths, each, chain = list(product(range(L), repeat=size)), [], model.chain
    for path in paths:
        total = chain.first[path[0]] + chain.last[path[-1]]
        total = total + sum(scores[t, y] for t, y in enumerate(path))
        steps = zip(path, path[1:], strict=False)
        each.append(total + sum(chain.follow[a, b] for a, b in steps))
    return paths, torch.stack(each)


def legal(path):
    """Whether I-x stands behind B-x or I-x only."""
    names = ["O", *(NAMES[label] for label in path)]
    return all(
        not b.startswith("I-") or a in (b, "B-" + b[2:])
        for a, b in zip(names, names[1:], strict=False)
    )


@every_family
@torch.no_grad()
def test_the_loss_is_the_share_of_one_path_among_all(settings):
    model, batch, expected = fresh(settings), rows(), 0.0
    scores = model.label_scores(model.hidden(batch), batch)
    for b, places in enumerate(WORDS[:2]):
        paths, each = paths_of(model, scores[b, places], len(places))
        told = paths.index(tuple(batch.targets[b, places].tolist()))
        expected -= float(each.log_softmax(0)[told])
    nats, count = TagSettings().loss(model, batch)
    assert count == 5
    assert float(nats) == pytest.approx(expected, rel=1e-5)


@every_family
@torch.no_grad()
def test_the_answer_is_the_best_path_of_all_that_may_be(settings):
    batch, odd = rows(), 0
    for constraint in ("none", "bio"):
        model = fresh(settings.model_copy(update={"constraint": constraint}))
        model.chain.first[NAMES.index("I-X")] += 9.0  # texts that begin inside a name
        scores = model.label_scores(model.hidden(batch), batch)
        words = batch.targets != IGNORE
        found, chances = model.best_tags(scores, words), model.tag_chances(scores, words)
        for b, places in enumerate(WORDS[:2]):
            paths, each = paths_of(model, scores[b, places], len(places))
            best = paths[int(each.argmax())]
            if constraint == "bio":
                odd += not legal(best)
                each = each.masked_fill(~torch.tensor([*map(legal, paths)]), -torch.inf)
                best = paths[int(each.argmax())]
            assert tuple(found[b, places].tolist()) == best
            for t, place in enumerate(places):
                through = torch.tensor([path[t] for path in paths])
                shares = torch.stack([each.softmax(0)[through == y].sum() for y in range(L)])
                torch.testing.assert_close(chances[b, place], shares, rtol=0, atol=1e-5)
    assert odd  # without the constraint an answer was none of BIO


@every_family
@torch.no_grad()
def test_no_answer_ever_breaks_bio(settings):
    model = fresh(settings.model_copy(update={"constraint": "bio"}), scale=3.0)
    torch.manual_seed(0)
    scores, words = 20 * torch.randn(400, 12, L), torch.rand(400, 12) < 0.7
    found = model.best_tags(scores, words)
    assert all(legal(row[there].tolist()) for row, there in zip(found, words, strict=True))
    free = fresh(settings, scale=3.0).best_tags(scores, words)
    assert not all(legal(row[there].tolist()) for row, there in zip(free, words, strict=True))


@every_family
@torch.no_grad()
def test_a_constraint_changes_what_is_answered_and_not_what_is_learnt(settings):
    batch, bio = rows(), settings.model_copy(update={"constraint": "bio"})
    nats = [TagSettings().loss(fresh(each), batch)[0] for each in (settings, bio)]
    assert torch.equal(*nats)


@every_family
def test_paths_are_not_smoothed_and_names_are_needed(settings):
    smoothed = TrainSettings(regularise=RegulariseSettings(label_smoothing=0.1))
    with pytest.raises(RecipeError, match=f"and model.kind {settings.kind} learns whole paths"):
        TagSettings().need_effect(settings, smoothed)
    TagSettings().need_effect(settings.model_copy(update={"chain": False}), smoothed)
    model = settings.model_copy(update={"constraint": "bio", "label_names": []}).build()
    with pytest.raises(RecipeError, match=r"label_names: 0 names of 5 labels, and constraint bio"):
        model.best_tags(torch.zeros(1, 2, L), torch.ones(1, 2) > 0)


@every_family
@torch.no_grad()
def test_a_model_without_a_chain_tells_each_word_by_itself(settings):
    model, batch = settings.model_copy(update={"chain": False}).build().eval(), rows()
    assert model.chain is None
    scores = model.label_scores(model.hidden(batch), batch)
    words = batch.targets != IGNORE
    assert torch.equal(model.best_tags(scores, words), scores.argmax(-1))
    alone = replace(batch, targets=batch.targets[:1], ids=batch.ids[:1], seen=batch.seen[:1])
    each = scores.log_softmax(-1)[0].gather(1, batch.targets[0].clamp(min=0)[:, None])[:, 0]
    nats, _ = TagSettings().loss(model, alone)
    torch.testing.assert_close(nats, -each[words[0]].sum())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            {"kind": "crf", "chain": False, "constraint": "bio"},
            "constraint bio is about labels that follow each other; set chain=true, or leave",
        ),
        (
            {"kind": "bert", "head": "tag", "constraint": "bio"},
            "constraint bio is about labels that follow each other; set chain=true, or leave",
        ),
        (
            {"kind": "bert", "head": "classify", "chain": True},
            "chain is about the labels of words, and head=classify tells none; leave it out, or "
            "set head=tag",
        ),
        ({"kind": "bert", "chain": True}, "head=masked tells none"),
        (
            {"kind": "bert", "head": "tag", "labels": 3, "label_names": ["O"]},
            "label_names: 1 names of 3 labels; name all, or leave label_names out",
        ),
        ({"kind": "crf", "labels": 1, "label_names": ["O", "P"]}, "2 names of 1 labels; name all"),
    ],
)
def test_options_without_effect_are_mistakes_in_the_recipe(words, message):
    with pytest.raises(RecipeError, match=message):
        load(Kinds(ROWS).settings_class(words["kind"]), words)
