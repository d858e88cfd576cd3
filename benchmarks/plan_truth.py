"""What the plan says of recipes, beside what came of them.

    python benchmarks/plan_truth.py recipes/bert_mlm.yaml text.read=TEXTS train.steps=60 ...

A word that ends in .yaml begins a run, the words behind it are its overrides. Each run is carried
through by the command line in a process of its own, from raw text to scores, and leaves nothing
behind; memory is the peak of the whole process.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

LINGLOOM = "import sys; from lingloom.cli import main; sys.exit(main(sys.argv[1:]))"
SHOWN = {"memory": (1e6, "MB"), "time of training steps": (1, "s"), "time": (1, "s")}


def runs(words: list[str]) -> list[list[str]]:
    """Each recipe with its overrides."""
    found: list[list[str]] = []
    for word in words:
        if word.endswith(".yaml") and "=" not in word:
            found.append([])
        if not found:
            raise SystemExit("usage: plan_truth.py RECIPE.yaml key=value ... [RECIPE.yaml ...]")
        found[-1].append(word)
    return found


def main() -> None:
    """Print a row for each run and promise."""
    print("| recipe | what | planned | band | came | came / planned | kept |")
    print("|---|---|---:|---:|---:|---:|---|")
    for words in runs(sys.argv[1:]):
        with TemporaryDirectory() as folder:
            command = [sys.executable, "-c", LINGLOOM, "train", *words, f"out={folder}/run"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{' '.join(words)}: {done.stderr[-2000:]}")
            rows = json.loads(Path(folder, "run", "outcome.json").read_text("utf-8"))
        for row in rows:
            if row["what"] in SHOWN:
                size, unit = SHOWN[row["what"]]
                planned, low, high, came = (
                    row[key] / size for key in ("predicted", "low", "high", "actual")
                )
                print(
                    f"| {Path(words[0]).stem} | {row['what']} | {planned:.0f} {unit} "
                    f"| {low:.0f} - {high:.0f} | {came:.0f} {unit} | {came / planned:.2f} "
                    f"| {'yes' if low <= came <= high else 'NO'} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
