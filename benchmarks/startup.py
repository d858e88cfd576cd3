"""How long `lingloom --help` and `import lingloom` take; the promise is 0.3 s.

python benchmarks/startup.py [--rounds 9]
"""

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import lingloom": ["-c", "import lingloom"],
    "lingloom --help": ["-m", "lingloom.cli", "--help"],
    "import torch": ["-c", "import torch"],
}


def main() -> None:
    """Run each command in turn, round after round, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):  # the first round fills the disk cache and is left out
        for name, words in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, capture_output=True)
            times[name].append(time.perf_counter() - begun)
    for name, each in times.items():
        counted = each[1:]
        print(f"{name:<18} median {statistics.median(counted):.3f} s, best {min(counted):.3f} s")


if __name__ == "__main__":
    main()
