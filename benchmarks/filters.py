"""Quality rules: verdicts and counts beside datatrove's, and how fast they are.

    python benchmarks/filters.py --peer PYTHON ENGLISH.jsonl...     datatrove in another environment
    python benchmarks/filters.py --chinese CHINESE.jsonl...         how many each family keeps

Files have a field `text` in each line. datatrove gets the same words and sentences as ours; with
--own-marks it also keeps its own list of punctuation, which decides what is a word. Its time is
without and with its own word tokenizer. The two take turns, one thread each; medians are printed.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from lingloom.text.characters import CJK, KNOWN, WORD, character_kinds
from lingloom.text.filters.batch import TextBatch
from lingloom.text.filters.c4 import C4Settings, sentences
from lingloom.text.filters.chinese import ChineseSettings
from lingloom.text.filters.filter import FilterSettings, sift
from lingloom.text.filters.fineweb import FineWebSettings
from lingloom.text.filters.gopher_quality import GopherQualitySettings
from lingloom.text.filters.gopher_repetition import GopherRepetitionSettings
from lingloom.text.filters.short import ShortSettings
from lingloom.text.statistics import repetition, words_of
from lingloom.text.texts import Texts

PUBLISHED: dict[str, FilterSettings] = {
    "gopher_quality": GopherQualitySettings(),
    "gopher_repetition": GopherRepetitionSettings(),
    "c4": C4Settings(),
    "fineweb": FineWebSettings(),
}
PEER = Path(__file__).parent / "peers" / "datatrove_filters.py"


def documents_of(paths: list[Path]) -> list[str]:
    """The different documents of all files, without empty ones."""
    lines = (line for path in paths for line in path.read_text("utf-8").split("\n") if line)
    return [text for text in dict.fromkeys(json.loads(line)["text"] for line in lines) if text]


def peer_turn(python: str, given: dict[str, Any]) -> dict[str, Any]:
    """What datatrove says of the documents."""
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder, "question.json"), Path(folder, "answer.json")
        question.write_text(json.dumps(given), "utf-8")
        subprocess.run([python, str(PEER), str(question), str(answer)], check=True)
        return dict(json.loads(answer.read_text("utf-8")))


def our_turn(texts: Texts) -> float:
    """Seconds of both Gopher families over `texts`, counts included."""
    start = time.perf_counter()
    sift([PUBLISHED["gopher_quality"], PUBLISHED["gopher_repetition"]], TextBatch(texts))
    return time.perf_counter() - start


def question_for(documents: list[str], own_marks: bool) -> dict[str, Any]:
    """The documents as the peer gets them, cut into words and sentences by us."""
    kinds = character_kinds()
    marks = "".join(map(chr, np.flatnonzero((kinds[:KNOWN] & (WORD | CJK)) == 0)))
    lines = {line for text in documents for line in C4Settings().edited(text).split("\n")}
    return {
        "documents": documents,
        "words": [words_of(text) for text in documents],
        "sentences": {line: sentences(line) for line in lines},
        "marks": "" if own_marks else marks.encode("utf-8", "ignore").decode(),
        "language": "eng_Latn",
        "tokenise": True,
        "settings": {},
    }


def compare(paths: list[Path], python: str, rounds: int, own_marks: bool) -> None:
    """Print how far both agree, and the speed of both."""
    documents = documents_of(paths)
    texts = Texts.of_strings(documents)
    question = question_for(documents, own_marks)
    ours_s, peer_s, tokenise_s = [], [], []
    for turn in range(rounds):
        ours_s.append(our_turn(texts))
        answer = peer_turn(python, question | {"tokenise": turn < 2})
        verdicts = answer["verdicts"]
        peer_s.append(sum(verdicts[kind]["seconds"] for kind in list(PUBLISHED)[:2]))
        tokenise_s += [answer["tokenise_s"]] if turn < 2 else []
    megabytes = len(texts.data) / 1e6
    print(f"{len(documents)} documents, {megabytes:.1f} MB, datatrove {answer['version']}")
    for kind, family in PUBLISHED.items():
        sifted = sift([family], TextBatch(texts))
        theirs = verdicts[kind]["reasons"]
        pairs = list(zip(sifted.verdicts, theirs, strict=True))
        same = sum((a is None) == (b is None) for a, b in pairs)
        dropped = sum(b is not None for b in theirs)
        named = Counter((a or "").partition(": ")[2] + " = " + (b or "") for a, b in pairs if b)
        print(f"{kind}: same verdict on {same} of {len(pairs)}; datatrove drops {dropped}")
        for reasons, count in named.most_common():
            print(f"    {count:5d}  {reasons}")
        if kind == "c4":
            kept = [i for i, (a, b) in enumerate(pairs) if a is None and b is None]
            equal = sum(sifted.texts[i] == answer["c4_texts"][i] for i in kept)
            print(f"    text equal in {equal} of {len(kept)} kept by both")
    print_numbers(texts, np.array(answer["numbers"]))
    ours, peer, tokenise = map(statistics.median, (ours_s, peer_s, tokenise_s))
    print(
        f"Gopher quality + repetition, MB/s: ours {megabytes / ours:.1f}; datatrove with words "
        f"given {megabytes / peer:.2f}, with its own {megabytes / (peer + tokenise):.2f}; "
        f"ratio {peer / ours:.0f}x, {(peer + tokenise) / ours:.0f}x"
    )


def print_numbers(texts: Texts, theirs: np.ndarray) -> None:
    """Print how many counts of repetition are equal, document by document."""
    found = repetition(texts)
    ours = np.column_stack(
        [
            found.paragraphs,
            found.repeated_paragraphs,
            found.repeated_paragraph_chars,
            found.lines,
            found.repeated_lines,
            found.repeated_line_chars,
            found.top_chars + found.top_times * [1, 2, 3],
            found.repeated_chars,
        ]
    )
    print(f"repetition counts: {np.sum(ours == theirs)} of {theirs.size} equal")


def keep_rates(paths: list[Path]) -> None:
    """Print for each file what share of its documents each family keeps."""
    families = {**PUBLISHED, "short": ShortSettings(), "chinese": ChineseSettings()}
    for path in paths:
        documents = documents_of([path])
        batch = TextBatch(Texts.of_strings(documents))
        print(f"{path.stem}: {len(documents)} documents, {len(batch.texts.data) / 1e6:.1f} MB")
        for kind, family in families.items():
            verdicts = sift([family], batch).verdicts
            reasons = Counter(filter(None, verdicts)).most_common(4)
            says = "; ".join(f"{reason.partition(': ')[2]} {count}" for reason, count in reasons)
            print(f"    {kind:18} keeps {verdicts.count(None) / len(verdicts):5.1%}   {says}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--peer", default="", help="the Python that has datatrove")
    parser.add_argument("--chinese", action="store_true")
    parser.add_argument("--own-marks", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.chinese:
        keep_rates(given.files)
    else:
        compare(given.files, given.peer, given.rounds, given.own_marks)


if __name__ == "__main__":
    main()
