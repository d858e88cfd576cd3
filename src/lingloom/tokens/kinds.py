"""The kinds of tokenizer: one row per newcomer."""

TOKENIZERS = {
    "bytes": "tokens.bytelevel:BytesSettings",
    "characters": "tokens.characters:CharactersSettings",
    "words": "tokens.words:WordsSettings",
    "bpe": "tokens.bytelevel:BPESettings",
    "wordpiece": "tokens.subwords:WordPieceSettings",
    "unigram": "tokens.subwords:UnigramSettings",
    "pixels": "tokens.pixels:PixelsSettings",
    "stored": "tokens.open:StoredSettings",
}
