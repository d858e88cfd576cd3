"""Model folders: what is written, what is refused, and what a kill leaves behind."""

import json
import pickle
import struct

import pytest
import torch

from lingloom.errors import DataError, RunError
from lingloom.models import port
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.llama import LlamaSettings
from lingloom.models.port import load_model, save_model
from lingloom.models.weights import read_header
from lingloom.tokens.tokenizer import END

GPT2 = GPT2Settings(vocab=8, context=4, layers=1, heads=2, width=4)
LLAMA = LlamaSettings(vocab=8, context=4, layers=1, heads=2, width=4, ff_width=6)


@pytest.fixture
def folder(tmp_path):
    """A saved GPT-2."""
    save_model(GPT2.build(), tmp_path)
    return tmp_path


def file_of(header, data=b""):
    """A safetensors file, right or wrong, from a header and its data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(start, end, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def change(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"abc", "3 bytes are no safetensors file"),
        (struct.pack("<Q", 2**63) + b"{}", "header claims 9223372036854775808 bytes"),
        (struct.pack("<Q", 200_000_000) + b"{}", "header claims 200000000 bytes"),
        (file_of(b"{not json"), "header is not JSON"),
        (file_of(b"[" * 100_000), "header is not JSON"),
        (file_of(b"[]"), "header is not a table"),
        (file_of(b'{"a": 1, "a": 2}'), "a name is written twice"),
        (file_of({"a": 7}), "tensor 'a' has dtype None"),
        (file_of({"a": tensor(0, 8, dtype="F4")}, bytes(8)), "tensor 'a' has dtype 'F4'"),
        (file_of({"a": tensor(0, 8, shape=(-2,))}, bytes(8)), r"shape \[-2\]"),
        (file_of({"a": tensor(0, 8, shape=(True,))}, bytes(8)), r"shape \[True\]"),
        (file_of({"a": tensor(0, 8, shape=(2**40, 2**40))}, bytes(8)), "takes 4835703278458516"),
        (file_of({"a": tensor(0, 8)}, bytes(7)), "ends at byte 8 of 7"),
        (file_of({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12)), "overlaps the one before"),
        (file_of({"a": tensor(0, 8), "b": tensor(12, 20)}, bytes(20)), "leaves a hole before it"),
        (file_of({"a": tensor(0, 8)}, bytes(9)), "1 bytes behind the last tensor"),
    ],
)
def test_a_damaged_weight_file_is_refused_by_its_header(folder, content, message):
    path = folder / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        load_model(folder)
    assert str(error.value).startswith(f"{path}: ")
    assert "again" in str(error.value) or "save it as" in str(error.value)


def test_a_weight_file_cut_anywhere_is_refused(folder):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for size in (0, 7, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"model\.safetensors: "):
            load_model(folder)


def test_absurd_sizes_take_no_memory_before_they_are_refused(folder):
    for field, value in (("vocab_size", 10**12), ("n_layer", 10**9), ("n_positions", 10**9)):
        old = json.loads((folder / "config.json").read_text())[field]
        change(folder, **{field: value})
        with pytest.raises(DataError):
            load_model(folder)
        change(folder, **{field: old})
    load_model(folder)


def test_pickled_weights_are_never_opened(folder):
    (folder / "model.safetensors").unlink()
    canary = folder / "canary"
    (folder / "pytorch_model.bin").write_bytes(
        pickle.dumps(type("Bomb", (), {"__reduce__": lambda _: (open, (str(canary), "w"))})())
    )
    with pytest.raises(DataError, match=r"pytorch_model\.bin: weights in Python's pickle format"):
        load_model(folder)
    assert not canary.exists()


def test_an_empty_folder_says_what_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"config\.json: cannot be read \(No such file"):
        load_model(tmp_path)
    save_model(GPT2.build(), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"no model\.safetensors here"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        (GPT2, "model_type", "mamba"),
        (GPT2, "activation_function", "relu"),
        (GPT2, "layer_norm_epsilon", 1e-6),
        (GPT2, "scale_attn_by_inverse_layer_idx", True),
        (GPT2, "add_cross_attention", True),
        (GPT2, "quantization_config", {"bits": 4}),
        (GPT2, "lingloom", 3),
        (LLAMA, "hidden_act", "gelu"),
        (LLAMA, "attention_bias", True),
        (LLAMA, "mlp_bias", True),
        (LLAMA, "sliding_window", 128),
        (LLAMA, "head_dim", 8),
        (LLAMA, "rope_scaling", {"rope_type": "yarn", "factor": 2.0}),
        (LLAMA, "rope_parameters", {"rope_type": "dynamic", "factor": 2.0}),
    ],
)
def test_what_we_cannot_run_exactly_is_refused_by_its_field(settings, field, value, tmp_path):
    save_model(settings.build(), tmp_path)
    change(tmp_path, **{field: value})
    with pytest.raises(DataError) as error:
        load_model(tmp_path)
    assert f"{tmp_path / 'config.json'}: field '{field}' is {value!r}; " in str(error.value)


def test_a_configuration_of_another_model_is_refused(folder):
    change(folder, n_inner=20)
    with pytest.raises(DataError, match=r"'h\.0\.mlp\.c_fc\.weight' has shape \[4, 16\], but conf"):
        load_model(folder)
    change(folder, n_inner=None, n_layer=2)
    with pytest.raises(DataError, match=r"tensor 'h\.1\.ln_1\.weight' is missing"):
        load_model(folder)
    change(folder, n_layer="many")
    with pytest.raises(DataError, match=r"config\.json: layers: "):
        load_model(folder)
    change(folder, n_layer=1, n_head=3)
    with pytest.raises(DataError, match=r"width 4 is not a multiple of heads 3"):
        load_model(folder)


def test_a_tensor_without_a_place_is_refused(folder):
    other = GPT2.model_copy(update={"layers": 2})
    save_model(other.build(), folder)
    change(folder, n_layer=1)
    with pytest.raises(DataError, match=r"tensor 'h\.1\.\S+' has no place in this model"):
        load_model(folder)


def test_biases_of_a_model_without_biases_must_be_zero(tmp_path):
    save_model(GPT2.build(), tmp_path)
    with torch.no_grad():
        model = load_model(tmp_path)
        model.norm.bias += 1
    save_model(model, tmp_path)
    change(tmp_path, lingloom={"bias": False})
    with pytest.raises(DataError, match=r"'ln_f\.bias' is not all zeros"):
        load_model(tmp_path)


def test_integer_weights_are_refused(folder):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + length])
    header["transformer.ln_f.bias"]["dtype"] = "I32"
    path.write_bytes(file_of(header, whole[8 + length :]))
    with pytest.raises(DataError, match=r"'ln_f\.bias' has dtype I32, which is no float type"):
        load_model(folder)


def test_a_shard_index_may_not_point_elsewhere(folder):
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    index = folder / "model.safetensors.index.json"
    names = read_header(folder / "part.safetensors")
    index.write_text(json.dumps({"weight_map": dict.fromkeys(names, "part.safetensors")}))
    load_model(folder)
    for wrong in ("../part.safetensors", "gone.safetensors", 3):
        index.write_text(json.dumps({"weight_map": dict.fromkeys(names, wrong)}))
        with pytest.raises(DataError, match=r"that is not beside it"):
            load_model(folder)
    lies = dict.fromkeys([*names, "more"], "part.safetensors")
    index.write_text(json.dumps({"weight_map": lies}))
    with pytest.raises(DataError, match=r"tensor 'more' is not in part\.safetensors"):
        load_model(folder)


def test_a_failed_save_leaves_the_old_model_whole(folder, monkeypatch):
    before = load_model(folder).embed.weight

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(port, "write", full)
    with pytest.raises(RunError, match="No space left on device"):
        save_model(GPT2.build(), folder)
    assert torch.equal(load_model(folder).embed.weight, before)
    assert not list(folder.glob(".writing*"))


def test_a_save_that_is_killed_between_renames_does_not_load_as_a_mixture(folder, monkeypatch):
    real, done = port.os.replace, []

    def killed_later(source, target):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(real(source, target))

    monkeypatch.setattr(port.os, "replace", killed_later)
    with pytest.raises(KeyboardInterrupt):
        save_model(GPT2.build(), folder)
    with pytest.raises(DataError, match=r"give the folder of a model that was saved to the end"):
        load_model(folder)


def test_saving_over_a_folder_keeps_what_is_not_ours(folder):
    (folder / "README.md").write_text("mine")
    save_model(LLAMA.build(), folder)
    assert (folder / "README.md").read_text() == "mine"
    assert load_model(folder).settings.kind == "llama"


def test_the_tokenizer_travels_with_the_model_also_in_place(tmp_path):
    with pytest.raises(DataError, match=r"no tokenizer\.json here"):
        save_model(GPT2.build(), tmp_path / "out", tmp_path)
    (tmp_path / "tokenizer.json").write_text(
        json.dumps({"added_tokens": [{"id": 3, "content": END}]})
    )
    (tmp_path / "tokens.json").write_text("{}")
    save_model(GPT2.build(), tmp_path, tmp_path)
    save_model(GPT2.build(), tmp_path, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["eos_token_id"] == config["bos_token_id"] == 3
    named = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert named["eos_token"] == named["bos_token"] == END
    assert "pad_token" not in named
    assert (tmp_path / "tokens.json").read_text() == "{}"


def test_weights_are_stored_in_the_type_that_is_asked_for(tmp_path):
    model = LLAMA.build()
    save_model(model, tmp_path, dtype=torch.float16)
    assert {entry.dtype for entry in read_header(tmp_path / "model.safetensors").values()} == {
        "F16"
    }
    assert torch.equal(load_model(tmp_path).embed.weight, model.embed.weight.half())
