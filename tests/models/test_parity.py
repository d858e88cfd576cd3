"""Our models against transformers' with the same weights, both ways, in float32."""

import json

import pytest
import torch

from lingloom.models.decode import DecodeSettings, generate
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.llama import LlamaSettings, RopeStretch
from lingloom.models.port import load_model, save_model
from lingloom.tokens.batch import Batch
from lingloom.tokens.tokenizer import END

transformers = pytest.importorskip("transformers")

OURS = {
    "gpt2": GPT2Settings(vocab=37, context=24, layers=3, heads=3, width=27),
    "gpt2-untied": GPT2Settings(vocab=37, context=24, layers=2, heads=2, width=16, tied=False),
    "gpt2-bare": GPT2Settings(vocab=11, context=24, layers=2, heads=1, width=7, bias=False),
    "gpt2-ff": GPT2Settings(vocab=37, context=24, layers=1, heads=2, width=10, ff_width=13),
    "llama": LlamaSettings(vocab=37, context=24, layers=3, heads=3, width=30, ff_width=17),
    "llama-grouped": LlamaSettings(
        vocab=41, context=24, layers=2, heads=6, kv_heads=2, width=36, tied=False
    ),
    "llama-one-key": LlamaSettings(vocab=41, context=24, layers=2, heads=4, kv_heads=1, width=40),
    "llama-far": LlamaSettings(
        vocab=41,
        context=96,
        layers=2,
        heads=2,
        width=32,
        rope_base=500.0,
        norm_eps=1e-6,
        rope_stretch=RopeStretch(factor=8, low=1, high=4, context=24),
    ),
}
every_shape = pytest.mark.parametrize("settings", OURS.values(), ids=list(OURS))


def lively(settings):
    """A fresh model whose biases and gains are not at their resting places."""
    torch.manual_seed(3)
    model = settings.build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def same_logits(ours, theirs):
    ids = torch.randint(ours.settings.vocab, (2, ours.settings.context))
    with torch.no_grad():
        expected = theirs(ids).logits
        found = ours.logits(Batch(ids, ids))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@every_shape
def test_our_folder_opens_in_transformers_with_the_same_logits(settings, tmp_path):
    ours = lively(settings)
    save_model(ours, tmp_path)
    theirs, report = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert theirs.dtype == torch.float32
    same_logits(ours, theirs.eval())


@every_shape
def test_greedy_generation_is_theirs(settings, tmp_path):
    ours = lively(settings)
    save_model(ours, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    prompt = [5, 1, 7]
    expected = theirs.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, 3),
        max_new_tokens=12,
        do_sample=False,
        pad_token_id=0,
    )
    found = generate(ours, prompt, None, DecodeSettings(temperature=0, max_new_tokens=12))
    assert list(found) == expected[0, 3:].tolist()


GPT2 = {"vocab_size": 37, "n_positions": 24, "n_embd": 24, "n_layer": 2, "n_head": 3}
LLAMA = {
    "vocab_size": 37,
    "max_position_embeddings": 24,
    "hidden_size": 24,
    "intermediate_size": 44,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
}
STRETCH = {
    "rope_type": "llama3",
    "rope_theta": 300.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 12,
}
THEIRS = {
    "gpt2": ("GPT2", GPT2),
    "gpt2-untied": ("GPT2", GPT2 | {"tie_word_embeddings": False, "n_inner": 50}),
    "llama": ("Llama", LLAMA),
    "llama-tied": ("Llama", LLAMA | {"tie_word_embeddings": True, "num_key_value_heads": 2}),
    "llama-far": ("Llama", LLAMA | {"num_key_value_heads": 1, "rope_parameters": STRETCH}),
}


def made_there(name):
    """One of transformers' models with random weights, far from their resting places."""
    family, values = THEIRS[name]
    ends = {"bos_token_id": None, "eos_token_id": None}
    config = getattr(transformers, f"{family}Config")(**values, **ends)
    torch.manual_seed(4)
    class_name = {"GPT2": "GPT2LMHeadModel", "Llama": "LlamaForCausalLM"}[family]
    model = getattr(transformers, class_name)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("name", THEIRS)
def test_their_folder_opens_here_with_the_same_logits(name, tmp_path):
    theirs = made_there(name)
    theirs.save_pretrained(tmp_path)
    same_logits(load_model(tmp_path), theirs)


@pytest.mark.parametrize("name", ["gpt2", "llama-tied"])
def test_their_shards_open_here(name, tmp_path):
    theirs = made_there(name)
    theirs.save_pretrained(tmp_path, max_shard_size="10KB")
    assert not (tmp_path / "model.safetensors").exists()
    same_logits(load_model(tmp_path), theirs)


def test_weights_without_the_prefix_open_here(tmp_path):
    theirs = made_there("gpt2")
    theirs.transformer.save_pretrained(tmp_path)
    same_logits(load_model(tmp_path), theirs)


def test_the_older_form_of_rope_settings_opens_here(tmp_path):
    theirs = made_there("llama-far")
    theirs.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    scaling = config.pop("rope_parameters")
    config |= {"rope_theta": scaling.pop("rope_theta"), "rope_scaling": scaling}
    path.write_text(json.dumps(config))
    same_logits(load_model(tmp_path), theirs)


def test_half_precision_keeps_its_type_and_can_be_widened(tmp_path):
    ours = lively(OURS["llama-grouped"])
    save_model(ours, tmp_path, dtype=torch.bfloat16)
    assert transformers.AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.bfloat16
    half, wide = load_model(tmp_path), load_model(tmp_path, torch.float32)
    assert half.embed.weight.dtype == torch.bfloat16
    assert torch.equal(half.embed.weight.float(), wide.embed.weight)
    assert half.cos.dtype == torch.float32


def test_our_tokenizer_opens_in_transformers(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<unk>": 0, "a": 1}, "<unk>"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    model.add_special_tokens([END, "<unk>"])
    source = tmp_path / "source"
    source.mkdir()
    model.save(str(source / "tokenizer.json"))
    for name in ("gpt2", "llama"):
        folder = tmp_path / name
        save_model(lively(OURS[name]), folder, source)
        opened = transformers.AutoTokenizer.from_pretrained(folder)
        assert opened("a b a")["input_ids"] == [1, 0, 1]
        assert opened.eos_token_id == opened.bos_token_id == model.token_to_id(END)
        assert opened.eos_token == END
        ends = json.loads((folder / "generation_config.json").read_text())
        assert ends["eos_token_id"] == opened.eos_token_id
