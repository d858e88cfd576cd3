"""Words per second of skip-gram with negative sampling: ours beside gensim's, and what it is worth.

    python benchmarks/vectors_speed.py TEXT --similarity PAIRS --peer-python PATH

Same text (one document a line), width, window, words by chance, epochs and threads; both count
words that are seen five times and thin out frequent ones from a share of 1e-3. The clock runs over
training alone, not over counting words; ours includes its last evaluation and checkpoint. The two
take turns; medians, and ratios within each round. The similarity of both to what people say is
printed beside the speed, so that none is bought with the other. Words by chance are drawn for each
pair by gensim, and shared by a row of 512 words in ours.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from turns import PEERS, environment, in_turns, over

from lingloom.measure.word_vectors import likeness
from lingloom.models.vector_files import read_vectors
from lingloom.tasks.nearest import WordVectors

RECIPE = Path(__file__).parent.parent / "recipes" / "word2vec.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text")
    parser.add_argument("--similarity", nargs="+", required=True)
    parser.add_argument("--peer-python", default=sys.executable, help="a python that has gensim")
    parser.add_argument("--rounds", type=int, default=3)
    for name, default in (("epochs", 5), ("width", 100), ("window", 5), ("negatives", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    keys = ("text", "epochs", "width", "window", "negatives", "threads")
    common = [f"--{key}={getattr(args, key)}" for key in keys]
    entries = {
        "lingloom": [sys.executable, str(PEERS / "lingloom_vectors.py"), f"--recipe={RECIPE}"],
        "gensim": [args.peer_python, str(PEERS / "gensim_vectors.py")],
    }
    turns = {
        name: Turn([*command, *common], name == "lingloom", args.epochs, args.similarity)
        for name, command in entries.items()
    }
    speeds = in_turns(args.rounds, turns)
    for name, values in speeds.items():
        print(f"{name}: {statistics.median(values):,.0f} words/s (median of {args.rounds})")
    print(f"ratio {over(*speeds.values())}")


class Turn:
    """Trains once, and says how alike its words are to what people say, the first time."""

    def __init__(self, command: list[str], ours: bool, epochs: int, similarity: list[str]):
        self.command, self.ours = command, ours
        self.epochs, self.similarity = epochs, similarity

    def __call__(self) -> float:
        """Words per second."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "vectors.bin")
            run = [*self.command, f"--out={out}"]
            told = subprocess.run(
                run, check=True, capture_output=True, text=True, env=environment(self.ours)
            )
            found = json.loads(told.stdout.splitlines()[-1])
            speed: float = self.epochs * found["words"] / found["seconds_s"]
            print(f"{Path(self.command[1]).stem} {found['version']} {speed:,.0f} words/s")
            vectors = WordVectors(*read_vectors(out))
        for path in self.similarity:
            print(f"    {likeness(vectors, path, resamples=1000, seed=0)}")
        self.similarity = []  # told once
        sys.stdout.flush()
        return speed


if __name__ == "__main__":
    main()
