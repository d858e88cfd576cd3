"""The plan of a recipe: its own figures where they are known, file sizes where they are not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import LingloomError, RecipeError
from ..models.given_vectors import need_vectors
from ..plan.band import Band
from ..plan.minutes import TextFigures, typical_rates
from ..plan.outcome import Outcome, Row, compare
from ..plan.plan import Limits, Plan, make_plan
from ..recipe import Recipe
from ..runs import RunFolder
from ..text.corpus.opened import corpus_of
from ..text.estimate import bytes_of_splits, text_bytes
from ..text.read import can_be_read_again, documents
from ..text.split import VALIDATION
from ..text.stopwords import listed_stopwords
from ..tokens.extra import ExtendedTokenizer, with_extra
from ..tokens.open import StoredSettings, open_tokenizer
from ..tokens.shards import Shards
from ..train.objectives.objective import need_all_words, objective_of
from .prepare import SPLITS, Data, chooses, corpus_parts

EVALUATION_TOKENS = 1 << 16
"""Held-out tokens behind each point of the curve; the final scores use all of them."""
VOCAB = {"bytes": 257, "characters": 4000, "words": 30000, "pixels": 257}
"""Supposed size of a vocabulary that only the text decides."""
SAMPLE_BYTES = 4_000_000
"""Of the beginning of the text, which tell how long its pairs are."""
VOCAB_BYTES = 1_000_000
"""Of the beginning of the text, by which a vocabulary is guessed."""
LABELS = 10
"""The same for a number of labels."""


def plan_recipe(recipe: Recipe, *, probe_s: float = 5.0) -> Plan:
    """What `recipe` will take on this machine, before any of its text is read.

    Raises:
        RecipeError, MissingError: `text.read` names what is not there.
    """
    need_ready(recipe)
    figures, vocab = figures_of(recipe), vocab_of(recipe)
    model, baseline = (_with_vocab(m, vocab) for m in (recipe.model, recipe.baseline))
    model = _with_labels(model, recipe)
    limits = Limits.here(Path(recipe.out or "."))
    row = _usual_row(recipe, figures)
    plan = make_plan(
        model, recipe.train, figures, limits, baseline=baseline, probe_s=probe_s, row=row
    )
    if chooses(recipe):
        plan.notes.append(_how_chosen(recipe))
    return plan


def need_ready(recipe: Recipe) -> None:
    """Refuse, before any text is read, what the other files that `recipe` names cannot give.

    Raises:
        RecipeError, DataError, RunError: there is no such list of stop words; or `train.embed_from`
            names no vectors, or some of another width than the model's, or the model has none; a
            stored tokenizer leaves out words that are learnt about.
    """
    tokens: Any = recipe.tokens
    model: Any = recipe.model
    if tokens.kind == "words":
        listed_stopwords(tokens.stop_words.lists)
    if isinstance(tokens, StoredSettings):
        stored = open_tokenizer(tokens.folder)
        base = stored.base if isinstance(stored, ExtendedTokenizer) else stored
        need_all_words(tokens, objective_of(model, recipe.train), base)
    if recipe.text.validation_entries and model.kind == "ngram":
        raise RecipeError(
            "text.validation: an n-gram model counts once, and nothing is looked at meanwhile; "
            "leave it out, or name it in text.heldout"
        )
    if recipe.train.embed_from and model.kind == "ngram":
        raise RecipeError(
            "train.embed_from: an n-gram model counts and has no vectors to begin with; leave it "
            "out, or choose another model.kind"
        )
    if recipe.train.embed_from:
        some = _with_labels(_with_vocab(model, VOCAB["pixels"]), recipe)  # any number would do
        need_vectors(recipe.train.embed_from, some)


def _how_chosen(recipe: Recipe) -> str:
    """By which text weights are chosen, and on which they are scored."""
    if corpus_of(recipe.text) is not None:
        chosen, scored = "the corpus's validation split", "its test split"
    elif recipe.text.validation_entries:
        chosen, scored = "text.validation", "what is held out"
    else:
        chosen, scored = "one half of what is held out", "the other half"
    return f"train.regularise.patience chooses weights by {chosen}; scores are on {scored}"


def figures_of(recipe: Recipe) -> TextFigures:
    """How much text `recipe` names, from the sizes of its files.

    Raises:
        RecipeError, MissingError: `text.read` names what is not there.
    """
    rates = typical_rates(_tokenizer(recipe).kind)
    if isinstance(recipe.tokens, StoredSettings):
        rates = replace(rates, learn_most_bytes=0.0)
    if most := getattr(recipe.tokens, "sample_bytes", 0):
        rates = replace(rates, learn_most_bytes=float(most))
    if recipe.text.dedup:  # up to half of what is read may be dropped
        per = rates.bytes_per_token
        rates = replace(rates, bytes_per_token=Band(per.value, per.low, 2 * per.high))
    corpus, watched = corpus_of(recipe.text), 0.0
    if corpus is not None:
        parts = corpus_parts(corpus, chooses=chooses(recipe))
        sizes = {split: float(corpus.kept_bytes(part)) for split, part in parts.items()}
        learnt, held, watched = (sizes.get(split, 0.0) for split in (*SPLITS, VALIDATION))
    else:
        text, sizes = recipe.text, bytes_of_splits(recipe.text)
        learnt, held, watched = (sizes[split] for split in (*SPLITS, VALIDATION))
        if not text.heldout_entries:
            held = learnt * text.heldout_frac
            learnt -= held
    return TextFigures(
        learnt, held, watched_bytes=watched, eval_tokens=EVALUATION_TOKENS, rates=rates
    )


def _usual_row(recipe: Recipe, figures: TextFigures) -> int:
    """Tokens of the longer side of a pair, END included, on average over the first pairs of the
    text; 0 where rows fill the context, or the text can be read but once."""
    model: Any = recipe.model
    if objective_of(model, recipe.train).fills or not can_be_read_again(recipe.text):
        return 0
    read = rows = longer = 0
    for document in documents(recipe.text, lambda record: None):
        read_as_one = document.text + str(document.meta.get("second", ""))
        sides = len(read_as_one.encode()), len(str(document.meta.get("target", "")).encode())
        read, rows, longer = read + sum(sides), rows + 1, longer + max(sides)
        if read > SAMPLE_BYTES:
            break
    tokens = longer / rows / figures.rates.bytes_per_token.value
    return min(int(model.context), round(tokens) + 1)


def vocab_of(recipe: Recipe) -> int:
    """Size of the vocabulary that the models will have; supposed, where the text decides."""
    tokens = _tokenizer(recipe)
    extra = objective_of(recipe.model, recipe.train).extra_tokens()  # type: ignore[arg-type]
    if isinstance(recipe.tokens, StoredSettings):  # it may have some of them
        return with_extra(tokens, extra).vocab
    supposed = VOCAB.get(tokens.kind, 0)
    if not getattr(tokens, "vocab", 0) and tokens.kind in ("characters", "words"):
        supposed = _vocab_of_beginning(recipe) or supposed
    return int(getattr(tokens, "vocab", 0) or supposed) + len(extra)


def _vocab_of_beginning(recipe: Recipe) -> int:
    """What the beginning of the text foretells of its vocabulary, which grows with the root of the
    text (Heaps 1978, section 7.5); 0 where nothing can be told."""
    tokens: Any = recipe.tokens
    if getattr(tokens, "segmented", ""):  # to train the tagger takes longer than the guess is worth
        return 0
    if corpus_of(recipe.text) is not None or not can_be_read_again(recipe.text):
        return 0
    texts, read = list[str](), 0
    for document in documents(recipe.text, lambda record: None):
        texts.append(document.text)
        read += len(document.text.encode())
        if read > VOCAB_BYTES:
            break
    try:
        found: int = tokens.train(iter(texts)).vocab
    except LingloomError:  # it is told when the whole text is read
        return 0
    return round(found * max(1.0, text_bytes(recipe.text) / read) ** 0.5)


def _tokenizer(recipe: Recipe) -> Any:
    """The tokenizer's settings; the tokenizer itself where it is stored, so that it is known."""
    tokens: Any = recipe.tokens
    return open_tokenizer(tokens.folder) if isinstance(tokens, StoredSettings) else tokens


def compare_with_outcome(plan: Plan, run: RunFolder, data: Data) -> list[Row]:
    """What was promised and what came."""
    facts = run.read_json("run.json", {})
    outcome = Outcome(
        seconds_s=facts.get("seconds_s"),
        train_s=sum(r["seconds_s"] for r in run.read_log()) or None,
        memory_bytes=facts.get("peak_memory_bytes"),
        disk_bytes=sum(p.stat().st_size for p in run.path.rglob("*") if p.is_file()),
        train_tokens=sum(texts.tokens for texts in (data.train, *_targets(data))),
        parameters=facts.get("parameters"),
    )
    return compare(plan, outcome)


def _targets(data: Data) -> list[Shards]:
    """What stands beside the texts that are learnt from."""
    return [each["train"] for each in (data.beside, data.seconds) if each]


def _with_labels(model: Any, recipe: Recipe) -> Any:
    if not objective_of(model, recipe.train).labels_of or model.labels:
        return model
    return model.model_copy(update={"labels": LABELS})


def _with_vocab(model: Any, vocab: int) -> Any:
    return model if model is None or model.vocab else model.model_copy(update={"vocab": vocab})
