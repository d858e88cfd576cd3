"""BERT's WordPiece as others store it: opened, and stored again as ours."""

import json

import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from lingloom.errors import DataError
from lingloom.tokens.extra import with_extra
from lingloom.tokens.open import open_tokenizer
from lingloom.tokens.subwords import WordPieceSettings
from lingloom.tokens.tokenizer import MASK, MASKS, signs, special_id

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ["the", "cat", "sat", "##s", "un", "##want", "##ed", "天", "下", "[", "]", "mask"]


@pytest.fixture
def theirs(tmp_path):
    """A small tokenizer.json like bert-base-uncased, saved with truncation as some are."""
    vocab = {name: i for i, name in enumerate([*SPECIAL, *PIECES])}
    library = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    library.normalizer = normalizers.BertNormalizer(lowercase=True)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece(prefix="##")
    library.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    library.add_special_tokens(SPECIAL)
    library.enable_truncation(4)
    library.enable_padding(length=4)
    library.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"sep_token": "[SEP]", "cls_token": "[CLS]"})
    )
    return tmp_path


def test_words_are_cut_as_in_the_paper_and_nothing_is_cut_off(theirs):
    tokenizer = open_tokenizer(theirs)
    ids = tokenizer.encode("The cats sat, UNWANTED 天下")
    assert [tokenizer.token_of(i) for i in ids] == [
        *("the", "cat", "##s", "sat", "[UNK]", "un", "##want", "##ed", "天", "下"),
    ]
    assert tokenizer.decode([2, *ids, 3, 0, 0]) == "the cats sat [UNK] unwanted天下"
    assert tokenizer.token_bytes[ids].tolist() == [3, 3, 1, 3, 0, 2, 4, 2, 3, 3]
    assert (tokenizer.end, tokenizer.unknown, tokenizer.vocab) == (3, 1, 17)


def test_its_signs_and_its_mask_are_found_and_no_text_reaches_them(theirs):
    tokenizer = open_tokenizer(theirs)
    assert signs(tokenizer) == (2, 3)
    assert special_id(tokenizer, MASKS) == 4
    assert with_extra(tokenizer, [MASK]) is tokenizer
    names = [tokenizer.token_of(i) for i in tokenizer.encode("the [MASK] sat")]
    assert names == ["the", "[", "mask", "]", "sat"]


def test_it_is_the_same_when_it_was_stored_again(theirs, tmp_path):
    tokenizer = open_tokenizer(theirs)
    tokenizer.save(tmp_path / "ours")
    again = open_tokenizer(tmp_path / "ours")
    assert again.encode("cats [UNK] 天") == tokenizer.encode("cats [UNK] 天")
    assert (again.end, again.unknown, again.vocab) == (3, 1, 17)
    assert again.fingerprint() == tokenizer.fingerprint()
    assert signs(again) == (2, 3)


def test_ours_has_one_sign_for_both_and_a_mask_where_it_was_asked_for():
    tokenizer = WordPieceSettings(vocab=20).train(["a cat sat on a mat " * 20])
    assert signs(tokenizer) == (tokenizer.end, tokenizer.end)
    assert special_id(tokenizer, MASKS) is None
    assert special_id(with_extra(tokenizer, [MASK]), MASKS) == tokenizer.vocab


def test_a_wordpiece_of_another_make_is_refused(theirs):
    path = theirs / "tokenizer.json"
    tree = json.loads(path.read_text("utf-8"))
    tree["model"]["continuing_subword_prefix"] = "_"
    path.write_text(json.dumps(tree), "utf-8")
    with pytest.raises(DataError, match="neither byte-level BPE nor BERT's WordPiece"):
        open_tokenizer(theirs)
