"""Published marks and what our recipes of those papers' settings come to, on the files you have.

    python benchmarks/marks.py --ptb FOLDER --trec FOLDER [--seeds 4]

FOLDER of --ptb holds ptb.train.txt, ptb.valid.txt and ptb.test.txt, that of --trec trec.train.tsv
and trec.test.tsv (label, tab, question). Another text in files of these names is trained on as
well; only the published column then says nothing of it. The recipes are ptb_kn5.yaml, ptb_lstm.yaml
and cnn_trec.yaml as they are; nothing is chosen by the text that is scored. The LSTM's 13 epochs
take half an hour on two cores. nanoGPT's marks have a script of their own, nanogpt_shakespeare.py.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import lingloom
from lingloom.runs import RunFolder

RECIPES = Path(__file__).parents[1] / "recipes"


@dataclass(frozen=True)
class Mark:
    """A published figure."""

    paper: str
    recipe: str
    files: tuple[str, ...]
    """Keys of the recipe that name files, as they stand in it, below the folder."""
    score: str
    published: float
    per_cent: bool = False


MARKS = {
    "ptb": (
        Mark(
            "Kneser-Ney 5-gram (as quoted with Mikolov et al. 2011), test perplexity",
            "ptb_kn5",
            ("read=ptb.train.txt", "heldout=ptb.test.txt"),
            "perplexity per word",
            141.2,
        ),
        Mark(
            "LSTM of 2 x 200 (Zaremba et al. 2014), test perplexity",
            "ptb_lstm",
            ("read=ptb.train.txt", "validation=ptb.valid.txt", "heldout=ptb.test.txt"),
            "perplexity per word",
            114.5,
        ),
    ),
    "trec": (
        Mark(
            "CNN-rand (Kim 2014), test accuracy, %",
            "cnn_trec",
            ("read=trec.train.tsv", "heldout=trec.test.tsv"),
            "accuracy",
            91.2,
            per_cent=True,
        ),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in MARKS:
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=1, help="runs of what is cheap to repeat")
    asked = parser.parse_args()
    given = {name: folder for name in MARKS if (folder := getattr(asked, name))}
    if not given:
        parser.error("name a folder of texts, with " + " or ".join(f"--{name}" for name in MARKS))
    print("| mark | published | ours | seconds |\n|---|---:|---:|---:|", flush=True)
    for name, folder in given.items():
        for mark in MARKS[name]:
            seeds = range(asked.seeds if mark.per_cent else 1)
            begun = time.perf_counter()
            found = [once(mark, folder, seed) for seed in seeds]
            seconds = (time.perf_counter() - begun) / len(found)
            ours = f"{statistics.mean(found):.1f}"
            if len(found) > 1:
                ours += f", the mean of {len(found)} seeds ({min(found):.1f} to {max(found):.1f})"
            print(f"| {mark.paper} | {mark.published} | {ours} | {seconds:.0f} |", flush=True)


def once(mark: Mark, folder: Path, seed: int) -> float:
    """What one run of the recipe comes to."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place, "run")
        files = [key.replace("=", f"={folder}/") for key in mark.files]
        words = [*(f"text.{key}" for key in files), f"seed={seed}", f"out={out}"]
        lingloom.run(RECIPES / f"{mark.recipe}.yaml", *words)
        scores = list(RunFolder(out).read_json("scores.json")["scores"].values())[-1]
        value = next(float(s["value"]) for s in scores if s["name"] == mark.score)
    return 100 * value if mark.per_cent else value


if __name__ == "__main__":
    main()
