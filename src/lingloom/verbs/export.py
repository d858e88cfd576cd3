"""`lingloom export MODEL DIR|FILE`: a Hugging Face folder, an ARPA file, or a file of vectors."""

import json
from pathlib import Path

from .console import answer, read_words, story


def run(arguments: list[str]) -> int:
    """Write the folder; the exit code."""
    words = read_words("export", arguments, needs=2, takes=2, schema=None)
    if words is None:
        return 0
    from ..api import load

    target = Path(words.names[1])
    load(words.names[0]).export(target)
    if target.is_file() and ".arpa" in target.suffixes:
        story(f"{target}: written; KenLM and SRILM read it")
    elif target.is_file():
        story(f"{target}: written, in the format of word2vec; gensim reads it")
    elif words.json:
        answer({"folder": str(target), "files": sorted(p.name for p in target.iterdir())})
    else:
        config = json.loads((target / "config.json").read_text("utf-8"))
        named = str(*config.get("architectures", ["Lingloom"]))
        if named.startswith("Lingloom"):
            story(f"{target}: written; lingloom alone knows models of this kind")
            return 0
        chained = config.get("lingloom", {}).get("chain", False)
        what = "the encoder and each word's scores" if chained else "it as it is"
        story(f"{target}: written; transformers opens {what}:")
        story(f'  {named}.from_pretrained("{target}")')
        if chained:
            story("it leaves out the chain of labels (chain.*), with which lingloom alone answers")
    return 0
