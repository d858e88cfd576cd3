"""Special tokens behind a tokenizer's own."""

import json
from pydoc_data.topics import topics

import numpy as np
import pytest
import tokenizers

from lingloom.errors import DataError
from lingloom.tokens.bytelevel import BPESettings, BytesSettings
from lingloom.tokens.characters import CharactersSettings
from lingloom.tokens.extra import with_extra
from lingloom.tokens.open import StoredSettings, open_tokenizer
from lingloom.tokens.subwords import UnigramSettings, WordPieceSettings
from lingloom.tokens.words import WordsSettings

NAMES = ("<mask>", "<gap_0>", "<gap_1>")
TEXT = topics["for"] + topics["class"] + "从前有一座山，山上有一座庙。"
KINDS = [
    BytesSettings(),
    CharactersSettings(),
    WordsSettings(segment="none"),
    BPESettings(vocab=400),
    WordPieceSettings(vocab=400),
    UnigramSettings(vocab=400),
]
every_kind = pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)


def trained(settings):
    return settings.train([TEXT])


@every_kind
def test_no_id_changes_and_the_new_ones_follow(settings):
    base = trained(settings)
    tokenizer = with_extra(base, NAMES)
    n = base.vocab
    assert tokenizer.vocab == n + 3
    assert [tokenizer.id_of(name) for name in NAMES] == [n, n + 1, n + 2]
    assert [tokenizer.token_of(i) for i in range(n + 3)] == [
        *(base.token_of(i) for i in range(n)),
        *NAMES,
    ]
    assert tokenizer.encode(TEXT) == base.encode(TEXT)
    assert np.array_equal(tokenizer.encode_batch([TEXT])[0], base.encode_batch([TEXT])[0])
    assert (tokenizer.end, tokenizer.unknown) == (base.end, base.unknown)
    assert tokenizer.token_bytes.tolist() == [*base.token_bytes.tolist(), 0, 0, 0]


@every_kind
def test_no_text_reaches_them_and_they_spell_nothing(settings):
    tokenizer = with_extra(trained(settings), NAMES)
    own = set(range(tokenizer.vocab - 3))
    assert set(tokenizer.encode("the <mask> sat<gap_1>")) <= own
    ids = tokenizer.encode("the list")
    assert tokenizer.decode([tokenizer.vocab - 1, *ids, tokenizer.vocab - 3]) == "the list"
    assert tokenizer.decode_bytes([tokenizer.vocab - 2]) == b""


@every_kind
def test_what_is_stored_opens_as_it_was(settings, tmp_path):
    tokenizer = with_extra(trained(settings), NAMES)
    tokenizer.save(tmp_path)
    again = open_tokenizer(tmp_path)
    assert again.names == NAMES
    assert again.encode(TEXT) == tokenizer.encode(TEXT)
    assert again.fingerprint() == tokenizer.fingerprint()
    assert again.fingerprint() == json.loads((tmp_path / "tokens.json").read_text())["sha256"]
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert theirs.token_to_id("<gap_1>") == tokenizer.vocab - 1
    assert theirs.get_vocab_size() == tokenizer.vocab


def test_what_is_there_already_is_not_added_again(tmp_path):
    base = trained(BytesSettings())
    assert with_extra(base, ()) is base
    tokenizer = with_extra(base, NAMES[:2])
    assert with_extra(tokenizer, NAMES[:2]) is tokenizer
    assert with_extra(base, ["<|end|>"]) is base
    more = with_extra(tokenizer, ("<gap_1>", "<mask>"))
    assert (more.names, more.id_of("<mask>")) == (NAMES, 257)
    tokenizer.save(tmp_path)
    stored = StoredSettings(folder=str(tmp_path)).train([])
    assert with_extra(stored, NAMES).fingerprint() == more.fingerprint()


def test_a_word_of_the_text_is_refused():
    base = WordsSettings(segment="none").train(["a <mask> b", "a b"])
    with pytest.raises(DataError, match=r"'<mask>' is to be a token that no text contains.* id 3"):
        with_extra(base, NAMES)
