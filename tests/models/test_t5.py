"""T5: distances by hand, and the same logits as transformers' with the same weights, both ways."""

import json

import pytest
import tokenizers
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lingloom.errors import DataError, RecipeError
from lingloom.loading import load
from lingloom.models.distances import Distances, bucket
from lingloom.models.port import load_model, save_model
from lingloom.models.t5 import T5Settings
from lingloom.tokens.batch import PairBatch
from lingloom.tokens.bytelevel import BytesSettings

transformers = pytest.importorskip("transformers")

OURS = {
    "first": T5Settings(vocab=37, context=24, layers=2, heads=3, width=24, ff_width=40),
    "v1.1": T5Settings(
        vocab=37, context=24, layers=1, decoder_layers=2, heads=3, width=20, head_width=5,
        ff="gated_gelu", tied=False, buckets=8, distance=20,
    ),
}  # fmt: skip
every_version = pytest.mark.parametrize("settings", OURS.values(), ids=list(OURS))


def lively(settings):
    torch.manual_seed(3)
    model = settings.build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


# ------------------------------------------------------------------ distances


def test_distances_by_hand():
    """Of 32 buckets 16 are for the left. Of these 8 stand for distances 0 to 7; the others grow by
    (128/8)^(1/8) = sqrt(2): from 8, 11.3, 16, 22.6, 32, 45.3, 64 and 90.5 on."""
    away = torch.tensor([0, -1, -7, -8, -11, -12, -15, -17, -22, -23, -33, -91, -127, -128, -5000])
    expected = [0, 1, 7, 8, 8, 9, 9, 10, 10, 11, 12, 15, 15, 15, 15]
    assert bucket(away, True, 32, 128).tolist() == expected
    right = [0, *(16 + kind for kind in expected[1:])]
    assert bucket(-away, True, 32, 128).tolist() == right


def test_distances_to_one_side_by_hand():
    """16 distances have a bucket each; the others grow by 8^(1/16): the last begins at 112.4."""
    away = torch.tensor([5, 1, 0, -1, -15, -16, -18, -19, -112, -113, -400])
    expected = [0, 0, 0, 1, 15, 16, 16, 17, 30, 31, 31]
    assert bucket(away, False, 32, 128).tolist() == expected


@pytest.mark.parametrize(("buckets", "furthest"), [(32, 128), (8, 20), (64, 1000), (4, 3)])
@pytest.mark.parametrize("both_sides", [True, False])
def test_all_distances_are_sorted_as_the_published_code_does(buckets, furthest, both_sides):
    from transformers.models.t5.modeling_t5 import T5Attention

    away = torch.arange(-3000, 3000)
    expected = T5Attention._relative_position_bucket(away, both_sides, buckets, furthest)
    assert torch.equal(bucket(away, both_sides, buckets, furthest), expected)


def test_what_is_added_depends_on_the_distance_alone():
    table = Distances(8, 2, 20, both_sides=True)
    torch.nn.init.normal_(table.weight)
    found = table(5, 7)  # the last 5 of 7 places look at all of them
    for t in range(5):
        for s in range(7):
            kind = int(bucket(torch.tensor(s - (t + 2)), True, 8, 20))
            assert torch.equal(found[:, t, s], table.weight[kind])


# ------------------------------------------------------------------ the same as theirs


def same_logits(ours, theirs):
    vocab = ours.settings.vocab
    source, ids = torch.randint(vocab, (3, 17)), torch.randint(vocab, (3, 11))
    seen = torch.arange(17) < torch.tensor([17, 5, 1])[:, None]
    with torch.no_grad():
        expected = theirs(input_ids=source, attention_mask=seen.long(), decoder_input_ids=ids)
        found = ours.logits(PairBatch(ids, ids, source, seen))
    torch.testing.assert_close(found, expected.logits, rtol=1e-5, atol=1e-5)


@every_version
def test_our_folder_opens_in_transformers_with_the_same_logits(settings, tmp_path):
    ours = lively(settings)
    save_model(ours, tmp_path)
    theirs, report = transformers.AutoModelForSeq2SeqLM.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert type(theirs).__name__ == "T5ForConditionalGeneration"
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    same_logits(ours, theirs.eval())


SIZES = {"vocab_size": 37, "d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 2, "num_heads": 3}
THEIRS = {
    "first": SIZES,
    "first-uneven": SIZES | {"num_decoder_layers": 1, "relative_attention_num_buckets": 16},
    "v1.1": SIZES | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
}


@pytest.mark.parametrize("name", THEIRS)
def test_their_folder_opens_here_with_the_same_logits(name, tmp_path):
    torch.manual_seed(4)
    config = transformers.T5Config(**THEIRS[name])
    theirs = transformers.T5ForConditionalGeneration(config).eval()
    if name == "v1.1":
        theirs.lm_head.weight = torch.nn.Parameter(torch.randn(37, 24))
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    theirs.save_pretrained(tmp_path)
    ours = load_model(tmp_path)
    assert ours.settings.tied == (name != "v1.1")
    same_logits(ours, theirs)


@every_version
def test_operations_are_those_of_sources_and_targets_of_other_lengths(settings):
    model = settings.build().eval()
    source, ids = torch.randint(37, (2, 20)), torch.randint(37, (2, 6))
    rows = PairBatch(ids, ids, source, torch.ones_like(source).bool())
    products = torch.backends.mkldnn.flags(enabled=False, allow_tf32=None)  # no closed kernels
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), products, counter:
        model.logits(rows)
    assert model.flops_of(rows) == pytest.approx(counter.get_total_flops(), rel=0.02)
    alike = PairBatch(source, source, source, torch.ones_like(source).bool())
    assert model.flops_of(alike) == pytest.approx(model.flops_per_token(20) * alike.tokens)


def test_greedy_generation_is_theirs(tmp_path):
    tokenizer = BytesSettings().train([])
    tokenizer.save(tmp_path / "tokens")
    ours = lively(OURS["first"].model_copy(update={"vocab": 257}))
    save_model(ours, tmp_path, tmp_path / "tokens")
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    source = torch.tensor([[*b"what is written", tokenizer.end]])
    expected = theirs.generate(source, max_new_tokens=12, do_sample=False)[0].tolist()
    cache = ours.new_cache(ours.encode(source, torch.ones_like(source).bool()), 1, 12)
    found = [tokenizer.end]
    while len(found) < len(expected):
        found.append(int(ours.step(torch.tensor([found[-1:]]), cache).argmax()))
    assert found == expected


def test_generation_begins_as_the_model_was_taught(tmp_path):
    """The published models begin with padding; generation_config.json is what generate reads."""
    BytesSettings().train([]).save(tmp_path / "tokens")
    ours = lively(OURS["first"].model_copy(update={"vocab": 257, "start": 3}))
    save_model(ours, tmp_path, tmp_path / "tokens")
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    assert theirs.generation_config.decoder_start_token_id == 3
    found = theirs.generate(torch.tensor([[*b"some text", 256]]), max_new_tokens=4, do_sample=False)
    assert int(found[0, 0]) == 3
    assert load_model(tmp_path).begins_with(256) == 3


def test_the_end_of_a_tokenizer_of_others_ends_generation(tmp_path):
    words = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1}, []))
    words.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = tokenizers.decoders.ByteLevel()
    words.add_special_tokens(["</s>"])
    (tmp_path / "tokens").mkdir()
    words.save(str(tmp_path / "tokens" / "tokenizer.json"))
    save_model(lively(OURS["first"]), tmp_path, tmp_path / "tokens")
    config = json.loads((tmp_path / "generation_config.json").read_text())
    assert config["eos_token_id"] == config["decoder_start_token_id"] == 2


def test_what_another_t5_does_is_refused(tmp_path):
    save_model(lively(OURS["first"]), tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"feed_forward_proj": "gated-silu"}))
    with pytest.raises(DataError, match="field 'feed_forward_proj' is 'gated-silu'; supported is"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 30, "heads": 4}, "width 30 is not a multiple of heads 4; set width=32 or head_"),
        ({"buckets": 9}, "buckets 9 is odd, and half of them are for tokens to the right"),
        ({"buckets": 32, "distance": 16}, "distance 16 leaves no ranges for buckets 32"),
    ],
)
def test_sizes_that_do_not_fit_are_a_mistake_in_the_recipe(values, message):
    with pytest.raises(RecipeError, match=message):
        load(T5Settings, values)
    assert load(T5Settings, {"width": 30, "heads": 4, "head_width": 8}).inner == 32
