"""`lingloom show RUN attention`: where a model looks in a source for each token of its target."""

from ..errors import RecipeError
from ..runs import RunFolder
from ..tokens.tokenizer import END, Tokenizer
from .console import answer

SHOWN = 3
"""Places of the source that are told for each token, the weightiest first."""
LEAST = 0.05
"""Weight below which a place is not told, but for the first."""


def show(run: RunFolder, rows: int, as_json: bool) -> None:
    """Print `rows` held-out targets token by token, each with the places of its source that count.

    Raises:
        RecipeError: the run's model does not say where it looks.
    """
    from ..api import load
    from ..loading import load as load_settings
    from ..pipeline.prepare import open_data
    from ..recipe import Recipe
    from ..tokens.batch import PairBatch
    from ..train.objectives.objective import objective_of

    recipe, model = load_settings(Recipe, run.recipe), load(run.path).model
    if not hasattr(model, "alignment"):
        raise RecipeError(
            f"{run.path}: a {model.settings.kind} model has many heads in many layers, "
            "none of which says alone where it looks; attention is shown of model.kind=seq2seq"
        )
    data = open_data(run)
    objective = objective_of(recipe.model, recipe.train)  # type: ignore[arg-type]
    batch = next(objective.heldout(data.reading("heldout"), model.settings, rows))
    found = []
    assert isinstance(batch, PairBatch)
    for row, weights in zip(batch.split(1), model.alignment(batch), strict=True):
        S, T = int(row.source_seen.sum()), row.scored()
        source = [_named(data.tokenizer, t) for t in row.source[0, :S].tolist()]
        target = [_named(data.tokenizer, t) for t in row.targets[0, :T].tolist()]
        found.append({"source": source, "target": target, "weights": weights[:T, :S].tolist()})
    if as_json:
        answer({"rows": found})
        return
    for i, pair in enumerate(found):
        print(f"\n--- pair {i}: {' '.join(pair['source'])}")
        for token, looks in zip(pair["target"], pair["weights"], strict=True):
            print(f"{token:>12}  {_told(pair['source'], looks)}")


def _named(tokenizer: Tokenizer, token: int) -> str:
    """One token to read; a part of a character becomes U+FFFD."""
    return END if token == tokenizer.end else tokenizer.decode([token]).strip()


def _told(source: list[str], weights: list[float]) -> str:
    best = sorted(range(len(weights)), key=lambda place: -weights[place])[:SHOWN]
    told = [place for n, place in enumerate(best) if not n or weights[place] >= LEAST]
    return ", ".join(f"{source[place]} {weights[place]:.2f}" for place in told)
