"""A corpus as ours makes it: SlimPajama's sequence with weights, hold-outs and decontamination."""

import json
import sys
from importlib import metadata

from buckets import arguments

from lingloom.corpus_recipe import CorpusRecipe
from lingloom.loading import load
from lingloom.pipeline.corpus import clean


def main() -> None:
    files, work = arguments()
    folder = files[0].parent
    tree = {
        "text": {"read": [str(file) for file in files]},
        "filters": ["short"],
        "weights": {"*/0.parquet": 0.5, "*/1.parquet": 1.5},
        "tokens": {"kind": "stored", "folder": str(folder / "tokenizer")},
        "workers": 2,
        "out": str(work / "corpus"),
    }
    recipe = load(CorpusRecipe, tree)
    tokens = 0
    for event in clean(recipe):
        tokens = event.facts.get("tokens", tokens)
    json.dump(
        {"tokens": tokens, "versions": f"lingloom {metadata.version('lingloom')}"}, sys.stdout
    )


if __name__ == "__main__":
    main()
