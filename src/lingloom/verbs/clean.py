"""`lingloom clean RECIPE`: from piles of raw files to a training corpus."""

from pathlib import Path
from typing import Any

from ..corpus_recipe import CorpusRecipe, read_corpus
from .console import answer, bytes_text, read_words, story, tell_kernels
from .follow import Follower, stopping

REASONS = 12
"""How many reasons of dropping are listed."""


def run(arguments: list[str]) -> int:
    """Clean to the end or until stopped; the exit code."""
    words = read_words("clean", arguments, needs=1, takes=1, schema=CorpusRecipe)
    if words is None:
        return 0
    from ..pipeline.corpus import clean

    tell_kernels()
    recipe, follower = read_corpus(words.names[0], words.overrides), Follower()
    figures: dict[str, Any] = {}
    with stopping() as stop:
        for event in clean(recipe, stop):
            follower(event)
            if event.stage == "corpus" and event.what == "end":
                figures = dict(event.facts["manifest"])
                if event.facts["again"]:
                    story(f"corpus     {recipe.out} is finished: nothing to do")
    if follower.stopped:
        story("stopped; everything finished is kept; the same command goes on")
        return 130
    if words.json:
        answer({"corpus": recipe.out, **figures})
        return 0
    for line in lines(figures):
        print(line)
    story(f"report     {Path(recipe.out, 'report.html')}")
    story(f"next       lingloom show {recipe.out} dropped      what was left out, and why")
    story(f"           lingloom train RECIPE text.read={recipe.out}")
    return 0


def lines(figures: dict[str, Any]) -> list[str]:
    """A corpus as a person reads it; what came in adds up."""
    kept = figures["kept"]
    documents = sum(split["documents"] for split in kept.values())
    dropped = sum(n for n, _ in figures["dropped"].values())
    out = [
        f"in         {figures['documents'] + figures['set_aside']:,} = {documents:,} kept + "
        f"{dropped:,} dropped + {figures['set_aside']:,} set aside"
    ]
    for name, split in kept.items():
        again = split["copies"] - split["documents"]
        out.append(
            f"{name:<10} {split['documents']:,} documents, {bytes_text(split['bytes'])}"
            + (f", {again:,} of them read again by weight" if again else "")
        )
    reasons = list(figures["dropped"].items())
    out += [f"dropped    {n:,}  {reason}" for reason, (n, _) in reasons[:REASONS]]
    if len(reasons) > REASONS:
        out.append(f"           and {len(reasons) - REASONS} more reasons")
    out += [f"masked     {n:,}  {kind}" for kind, n in figures["masked"].items()]
    return out + _audit(figures["audit"])


def _audit(audit: dict[str, Any]) -> list[str]:
    """What planting near-duplicates has shown."""
    out = []
    for script, found in audit.items():
        if script == "removed":
            what = "removed near-duplicates are as similar to the document kept"
            out.append(f"audit      {_share(found)} {what}")
            continue
        recall, precision = _share(found["recall"]), _share(found["precision"])
        out.append(f"audit      {script}: recall {recall}, precision {precision}")
    return out


def _share(found: dict[str, Any]) -> str:
    if found["frac"] is None:
        return "not measured (no such documents)"
    return f"{found['frac']:.4f} [{found['low']:.4f}, {found['high']:.4f}] (95%, n={found['n']:,})"
