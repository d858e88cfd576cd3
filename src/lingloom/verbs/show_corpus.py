"""`lingloom show CORPUS [dropped|sources|duplicates|holdout]`: what became of the documents."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .clean import lines
from .console import answer, bytes_text

if TYPE_CHECKING:
    from ..text.corpus.opened import Corpus

EXCERPT_CHARS = 160


def summary(corpus: "Corpus", rows: int, as_json: bool) -> None:
    """What came in, what was kept, why the rest was not."""
    if as_json:
        answer(corpus.manifest)
        return
    for line in lines(corpus.manifest):
        print(line)
    print(f"stages     {'documents in':>14} {'out':>12} {'text in':>10} {'out':>10}")
    for stage in corpus.manifest["stages"]:
        print(
            f"  {stage['stage']:<14} {stage['documents_in']:>9,} {stage['documents_out']:>12,} "
            f"{bytes_text(stage['bytes_in']):>10} {bytes_text(stage['bytes_out']):>10}"
        )


def dropped(corpus: "Corpus", rows: int, as_json: bool) -> None:
    """Documents that were left out: the first few of each reason."""
    taken: Counter[str] = Counter()
    found = []
    for document in corpus.dropped():
        taken[document["reason"]] += 1
        if taken[document["reason"]] <= rows:
            found.append(document)
    _print_documents(found, as_json)


def sources(corpus: "Corpus", rows: int, as_json: bool) -> None:
    """Of each source what came in, what was kept, in which languages, and the chief reason for the
    rest."""
    if as_json:
        answer(corpus.manifest["sources"])
        return
    print(f"{'documents':>10} {'kept':>10} {'text kept':>10}  source, and the chief reason to drop")
    for name, source in corpus.manifest["sources"].items():
        chief = max(source["dropped"].items(), key=lambda item: item[1][0], default=None)
        why = f"; {chief[1][0]:,} {chief[0]}" if chief else ""
        print(
            f"{source['documents']:>10,} {source['kept']:>10,} "
            f"{bytes_text(source['kept_bytes']):>10}  {name}{why}"
        )
        if source.get("languages"):  # corpora of earlier versions have none
            print(f"{'':>32}  {_told(source['languages'])}")
    if languages := corpus.manifest.get("languages"):
        print(f"languages kept: {_told(languages)}")


def _told(counts: dict[str, list[int]]) -> str:
    """'en 1,234, zh-Hans 56': documents under each name, the most first."""
    order = sorted(counts.items(), key=lambda item: -item[1][0])
    return ", ".join(f"{name} {documents:,}" for name, (documents, _) in order)


def duplicates(corpus: "Corpus", rows: int, as_json: bool) -> None:
    """How much repeats, in clusters of what size, and pairs of what is kept and what is not."""
    figures = corpus.manifest["duplicates"]
    kinds = ("exact duplicate", "near duplicate")
    pairs = _first((d for d in corpus.dropped() if d["reason"] in kinds), rows)
    if as_json:
        answer({**figures, "examples": pairs})
        return
    print(f"exact duplicates {figures['exact']:,}; near duplicates {figures.get('near', 0):,}")
    if figures.get("cluster_sizes"):
        print("documents in a cluster, and how many such clusters there are")
        for size, count in list(figures["cluster_sizes"].items())[:rows]:
            print(f"  {size:>6}  {count:,}")
    if sum(figures.get("jaccard", [])):
        print("similarity of the pairs (Jaccard), and how many there are")
        for i, count in enumerate(figures["jaccard"]):
            if count:
                print(f"  {i / 20:.2f} to {(i + 1) / 20:.2f}  {count:,}")
    _print_documents(pairs, False)


def holdout(corpus: "Corpus", rows: int, as_json: bool) -> None:
    """The first documents of the validation and test splits."""
    found: list[dict[str, Any]] = []
    for split in ("validation", "test"):
        for document in _first(corpus.documents(split), rows):
            found.append(
                {
                    "id": document.id,
                    "source": document.source,
                    "reason": split,
                    "of": None,
                    "text": document.text,
                }
            )
    _print_documents(found, as_json)
    if not as_json:
        for name, figures in corpus.manifest["benchmarks"].items():
            print(f"{figures['dropped']:,} training documents were dropped for {name}")


def _first(documents: Iterable[Any], count: int) -> list[Any]:
    iterator: Iterator[Any] = iter(documents)
    return [document for document, _ in zip(iterator, range(count), strict=False)]


def _print_documents(documents: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        answer(documents)
        return
    for document in documents:
        of = f" of {document['of']}" if document["of"] else ""
        print(f"\n--- {document['reason']}{of}\n    {document['id']}")
        text = " ".join(document["text"].split())
        print("    " + text[:EXCERPT_CHARS] + (" …" if len(text) > EXCERPT_CHARS else ""))


VIEWS = {
    "corpus": summary,
    "dropped": dropped,
    "sources": sources,
    "duplicates": duplicates,
    "holdout": holdout,
}
