"""The linear-chain CRF against all paths, counted one by one."""

from itertools import product

import pytest
import torch

from lingloom.models.crf import CRFSettings
from lingloom.models.linear_chain import LinearChain, allowed_in_bio, words_among
from lingloom.tokens.batch import IGNORE, Passages

L = 3
SIZES = [4, 1, 3]
THERE = torch.arange(4) < torch.tensor(SIZES)[:, None]


def chain_and_scores(scale=1.0):
    torch.manual_seed(0)
    chain = LinearChain(L)
    for parameter in chain.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return chain, scale * torch.randn(len(SIZES), 4, L)


def score_of(chain, scores, path):
    """Lafferty et al. 2001, equation 1, and Lample et al. 2016, section 2.2, term by term."""
    total = chain.first[path[0]] + chain.last[path[-1]]
    total = total + sum(scores[t, y] for t, y in enumerate(path))
    return total + sum(chain.follow[a, b] for a, b in zip(path, path[1:], strict=False))


def all_paths(chain, scores, size):
    paths = list(product(range(L), repeat=size))
    return paths, torch.stack([score_of(chain, scores, path) for path in paths])


@pytest.mark.parametrize("scale", [1.0, 30.0])
@torch.no_grad()
def test_the_partition_is_the_sum_over_all_paths(scale):
    chain, scores = chain_and_scores(scale)
    found = chain.log_partition(scores, THERE)
    for b, size in enumerate(SIZES):
        _, each = all_paths(chain, scores[b], size)
        torch.testing.assert_close(found[b], each.logsumexp(0), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_best_path_is_the_best_of_all():
    chain, scores = chain_and_scores()
    found = chain.best(scores, THERE)
    for b, size in enumerate(SIZES):
        paths, each = all_paths(chain, scores[b], size)
        assert tuple(found[b, :size].tolist()) == paths[int(each.argmax())]
        assert not found[b, size:].any()


@torch.no_grad()
def test_chances_are_the_shares_of_all_paths_that_go_through():
    chain, scores = chain_and_scores()
    found = chain.chances(scores, THERE)
    for b, size in enumerate(SIZES):
        paths, each = all_paths(chain, scores[b], size)
        shares = each.softmax(0)
        for t in range(size):
            for label in range(L):
                through = [
                    share for path, share in zip(paths, shares, strict=True) if path[t] == label
                ]
                assert float(found[b, t, label]) == pytest.approx(float(sum(through)), abs=1e-5)


def test_the_gradient_is_expected_minus_observed_counts():
    chain, scores = chain_and_scores()
    labels = torch.tensor([[0, 2, 2, 1], [1, 0, 0, 0], [2, 0, 1, 0]])
    chain.nats(scores, labels, THERE).sum().backward()
    follow, first, last = torch.zeros(L, L), torch.zeros(L), torch.zeros(L)
    for b, size in enumerate(SIZES):
        with torch.no_grad():
            paths, each = all_paths(chain, scores[b], size)
        told = tuple(labels[b, :size].tolist())
        shares = [*zip(paths, each.softmax(0).tolist(), strict=True), (told, -1.0)]
        for path, share in shares:
            first[path[0]] += share
            last[path[-1]] += share
            for pair in zip(path, path[1:], strict=False):
                follow[pair] += share
    torch.testing.assert_close(chain.follow.grad, follow, rtol=0, atol=1e-5)
    torch.testing.assert_close(chain.first.grad, first, rtol=0, atol=1e-5)
    torch.testing.assert_close(chain.last.grad, last, rtol=0, atol=1e-5)


@torch.no_grad()
def test_one_path_costs_its_share_of_all():
    chain, scores = chain_and_scores()
    labels = torch.tensor([[0, 2, 2, 1], [1, IGNORE, IGNORE, IGNORE], [2, 0, 1, IGNORE]])
    found = chain.nats(scores, labels, THERE)
    for b, size in enumerate(SIZES):
        paths, each = all_paths(chain, scores[b], size)
        share = each.softmax(0)[paths.index(tuple(labels[b, :size].tolist()))]
        assert float(found[b]) == pytest.approx(-float(share.log()), abs=1e-5)


@torch.no_grad()
def test_a_text_without_words_costs_nothing():
    chain, scores = chain_and_scores()
    there = torch.zeros_like(THERE)
    labels = torch.full((3, 4), IGNORE)
    assert chain.nats(scores, labels, there).tolist() == [0.0, 0.0, 0.0]
    assert not chain.best(scores, there).any()


NAMES = ["B-X", "I-X", "O"]


def test_an_inside_follows_a_beginning_or_an_inside_of_its_kind():
    allowed = allowed_in_bio([*NAMES, "I-Y"])
    assert allowed[:, 1].tolist() == [True, True, False, False, False]
    assert allowed[:, 3].tolist() == [False, False, False, True, False]
    assert allowed[:, [0, 2]].all()


@torch.no_grad()
def test_only_allowed_paths_are_given_and_have_a_chance():
    chain, scores = chain_and_scores()
    scores[:, :, 1] += 3.0  # an inside everywhere
    assert (chain.best(scores, THERE)[:, 0] == 1).any()
    allowed = allowed_in_bio(NAMES)
    found, chances = chain.best(scores, THERE, allowed), chain.chances(scores, THERE, allowed)
    for b, size in enumerate(SIZES):
        paths, each = all_paths(chain, scores[b], size)
        legal = [
            all(allowed[a, y] for a, y in zip((-1, *path), path, strict=False)) for path in paths
        ]
        each = each.masked_fill(~torch.tensor(legal), -torch.inf)
        assert tuple(found[b, :size].tolist()) == paths[int(each.argmax())]
        begins = each.softmax(0)[[path[0] == 0 for path in paths]].sum()
        assert float(chances[b, 0, 0]) == pytest.approx(float(begins), abs=1e-5)
        assert float(chances[b, 0, 1]) == pytest.approx(0.0, abs=1e-6)


def test_words_are_found_among_tokens_and_go_back_to_them():
    tokens = torch.tensor([[False, True, False, True], [True, False, False, False]])
    words = words_among(tokens)
    values = torch.tensor([[10, 11, 12, 13], [20, 21, 22, 23]])
    assert words.there.tolist() == [[True, True, False, False], [True, False, False, False]]
    packed = words.of(values)
    assert packed[0, :2].tolist() == [11, 13]
    assert packed[1, 0] == 20
    assert torch.equal(words.back(packed), values)
    deep = values[..., None].expand(2, 4, 5)
    assert torch.equal(words.back(words.of(deep)), deep)


@torch.no_grad()
def test_tokens_that_begin_no_word_are_no_steps_of_the_chain():
    torch.manual_seed(0)
    model = CRFSettings(vocab=9, labels=3, width=4, embed_width=4, dropout=0).build().eval()
    torch.nn.init.normal_(model.chain.follow)
    scores = torch.randn(1, 5, 3)
    targets = torch.tensor([[IGNORE, 2, IGNORE, 0, 1]])
    alone = [1, 3, 4]
    found = model.tag_nats(scores, targets)
    expected = model.tag_nats(scores[:, alone], targets[:, alone])
    torch.testing.assert_close(found, expected)
    best = model.best_tags(scores, targets != IGNORE)[0, alone]
    assert torch.equal(best, model.best_tags(scores[:, alone], targets[:, alone] >= 0)[0])


@torch.no_grad()
def test_backward_layers_read_from_the_last_token():
    torch.manual_seed(0)
    model = CRFSettings(vocab=9, labels=3, width=4, embed_width=4, dropout=0).build().eval()
    model.backwards[0].load_state_dict(model.forwards[0].state_dict())
    ids = torch.tensor([[1, 2, 3, 0], [3, 2, 1, 0]])
    seen = torch.tensor([[True] * 3 + [False]] * 2)
    ahead, back = model.hidden(Passages(ids, seen)).chunk(2, dim=2)
    torch.testing.assert_close(ahead[0, :3], back[1, :3].flip(0))
