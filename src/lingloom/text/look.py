"""What is in a pile of files: a bounded sample read, counted and judged; nothing is written."""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import yaml
from pydantic import PositiveInt

from ..errors import DataError, FieldError, MissingError
from ..settings import Settings
from .clean import CleanSettings, clean_all
from .dedup import digest
from .document import Document
from .language import UNKNOWN, identify
from .mask import Kind, masked
from .minhash import MinHashSettings, band_hashes, signatures
from .near import candidate_pairs, verified
from .places import Place
from .read import TextSettings, all_places, documents_of
from .repair import half_width, unmangled
from .setaside import FileReport, Source
from .texts import Texts

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_LEAST_BYTES = 1 << 16
_LANGUAGE_TEXTS = 2000
_PERSONAL: tuple[Kind, ...] = ("email", "id", "mobile", "phone", "ip")
_SHOWN_ASIDE = 5
_SCRIPTS = {"CJK": "Han", "IDEOGRAPHIC": "Han", "KATAKANA-HIRAGANA": "Katakana"}
"""First words of the names of letters, where they are not the script."""
_WORTH_FRAC = 0.001
"""What is found in a smaller share of the documents is not worth a step of its own."""


class LookSettings(Settings):
    """Keys of `lingloom look`."""

    text: TextSettings = TextSettings()
    """How the files are read; text.read is the files named."""
    sample_mb: PositiveInt = 16
    """Text that is looked at, in 10^6 bytes, an equal share from the start of each file."""
    sample_files: PositiveInt = 500
    """Files that are opened; of more, an even sample."""


@dataclass
class Look:
    """What was found. Counts of documents are of the sample, sizes of files of all of them."""

    files: int = 0
    files_opened: int = 0
    disk_bytes: int = 0
    """Of all files, packed ones as they are."""
    sample_bytes: int = 0
    documents: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    """Files opened, by format; '' is not read."""
    encodings: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    """Of at most 2,000 documents; 'und' has no letters."""
    scripts: Counter[str] = field(default_factory=Counter)
    """Letters of the sample, by the script that their Unicode names begin with; Han for CJK."""
    length_chars: dict[str, int] = field(default_factory=dict)
    """Share of the documents -> that many are at most so long."""
    exact_duplicate_frac: float = 0.0
    near_duplicate_frac: float = 0.0
    """Documents with an earlier one of Jaccard .8 or more, equal ones left out."""
    to_mend: Counter[str] = field(default_factory=Counter)
    """Documents with mojibake and with full-width letters or digits."""
    personal: Counter[str] = field(default_factory=Counter)
    """Finds of personal data, by kind."""
    set_aside: Counter[str] = field(default_factory=Counter)
    """Lines and files that cannot be read, by reason."""
    set_aside_examples: list[Mapping[str, Any]] = field(default_factory=list)
    examples: dict[str, dict[str, str]] = field(default_factory=dict)
    """The shortest, a typical (of median length) and the longest document: id and text."""
    fields: list[str] = field(default_factory=list)
    """Fields that hold the text in the files opened, where it is not only the one asked for."""
    notes: list[str] = field(default_factory=list)
    """What a person should know or do."""
    recipe: str = ""
    """A recipe for `lingloom clean`, as YAML."""


def look(settings: LookSettings) -> Look:
    """Read a sample of `settings.text.read` and say what is there; time and memory are bounded by
    the sample, whatever the input.

    Raises:
        RecipeError: a file named does not exist.
        DataError: there is no document in any file that was opened.
    """
    found = Look()
    places = [*all_places(settings.text.entries).values()]
    documents = _sampled(places, settings, found)
    if not documents:
        why = [*found.notes, *found.set_aside][:1] or ["they hold no text"]
        raise DataError(f"look: no document in {len(places)} files: {why[0]}")
    texts = clean_all([d.text for d in documents], CleanSettings())
    found.documents = len(documents)
    _lengths(documents, texts, found)
    _duplicates(texts, found)
    _languages(texts, found)
    found.scripts = _scripts(texts)
    _mends([d.text for d in documents], texts, found)
    found.recipe = _recipe(settings.text, found)
    return found


def _sampled(places: list[Place], settings: LookSettings, found: Look) -> list[Document]:
    found.files = len(places)
    found.disk_bytes = sum(place.size_bytes for place in places)
    step = -(-len(places) // settings.sample_files) if places else 1
    opened = places[::step]
    found.files_opened = len(opened)
    share = max(_LEAST_BYTES, settings.sample_mb * 10**6 // max(1, len(opened)))
    documents: list[Document] = []
    for place in opened:
        if found.sample_bytes >= settings.sample_mb * 10**6:
            found.notes.append("the sample was full before the last file was opened")
            break
        source = Source(place.name, FileReport(place.name), _aside(found))
        documents += _from_one(place, source, settings.text, share, found)
        found.formats[source.report.format] += 1
        if source.report.encoding:
            found.encodings[source.report.encoding] += 1
    return documents


def _aside(found: Look) -> Any:
    def sink(record: Mapping[str, Any]) -> None:
        found.set_aside[record["reason"]] += 1
        if len(found.set_aside_examples) < _SHOWN_ASIDE:
            found.set_aside_examples.append(record)

    return sink


def _from_one(
    place: Place, source: Source, settings: TextSettings, share: int, found: Look
) -> list[Document]:
    documents, taken = list[Document](), 0
    if found.fields:
        settings = settings.model_copy(update={"field": found.fields})
    try:
        for document in documents_of(place, source, settings):
            documents.append(document)
            taken += len(document.text.encode())
            # rows that are set aside count too, or a file of nothing else would be read whole
            if max(taken, source.report.bytes // 8) >= share:
                break
    except FieldError as error:
        fields = [*(found.fields or settings.names), error.near]
        if error.near and not documents and isinstance(settings.column, list):
            found.fields = fields
            return _from_one(place, source, settings, share, found)
        found.notes.append(str(error))
    except (DataError, MissingError) as error:
        if str(error) not in found.notes:
            found.notes.append(str(error))
    found.sample_bytes += taken
    return documents


def _lengths(documents: list[Document], texts: list[str], found: Look) -> None:
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
    for quantile in QUANTILES:
        at = order[round(quantile * (len(order) - 1))]
        found.length_chars[f"{quantile:g}"] = len(texts[at])
    for name, at in (("shortest", order[0]), ("typical", order[len(order) // 2])):
        found.examples[name] = {"id": documents[at].id, "text": texts[at]}
    found.examples["longest"] = {"id": documents[order[-1]].id, "text": texts[order[-1]]}


def _duplicates(texts: list[str], found: Look) -> None:
    first: dict[bytes, int] = {}
    for i, text in enumerate(texts):
        first.setdefault(digest("".join(text.lower().split())), i)
    found.exact_duplicate_frac = 1 - len(first) / len(texts)
    different, shape = Texts.of_strings([texts[i] for i in first.values()]), MinHashSettings()
    hashes = band_hashes(signatures(different, shape), shape.bands, shape.rows)
    numbers = np.repeat(np.arange(len(different), dtype=np.int64), shape.bands)
    pairs = candidate_pairs(hashes.ravel(), numbers)
    near = pairs[verified(pairs, {0: different}, shape) >= shape.threshold]
    found.near_duplicate_frac = len(np.unique(near[:, 1])) / len(texts)


def _languages(texts: list[str], found: Look) -> None:
    for text in texts[:: -(-len(texts) // _LANGUAGE_TEXTS)]:
        try:
            ((language, _),) = identify([text])
        except MissingError as error:
            language = "not identified"
            if str(error) not in found.notes:
                found.notes.append(str(error))
        found.languages[language] += 1


def _scripts(texts: list[str]) -> Counter[str]:
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    counts, scripts = np.bincount(points), Counter[str]()
    for point in counts.nonzero()[0].tolist():
        for letter in filter(str.isalpha, unicodedata.normalize("NFKC", chr(point))):
            first = unicodedata.name(letter, "unnamed").split()[0]
            if first != "MODIFIER":  # signs that letters of any script carry
                scripts[_SCRIPTS.get(first, first.capitalize())] += int(counts[point])
    return scripts


def _mends(raws: list[str], texts: list[str], found: Look) -> None:
    found.to_mend["full-width letters"] = sum(half_width(text) != text for text in texts)
    try:
        found.to_mend["mojibake"] = sum(unmangled(text) != text for text in raws)
    except MissingError as error:
        found.notes.append(str(error))
    found.to_mend = +found.to_mend
    masked(texts, _PERSONAL, found.personal)


def _recipe(text: TextSettings, found: Look) -> str:
    """What the findings call for, in the sections of a cleaning recipe."""
    languages = {name.partition("-")[0] for name, n in found.languages.items() if _often(n, found)}
    clean: dict[str, Any] = {}
    if _often(found.to_mend["mojibake"], found):
        clean["mojibake"] = True
    if _often(found.to_mend["full-width letters"], found):
        clean["width"] = "half"
    if found.languages["zh-Hans"] and _often(found.languages["zh-Hant"], found):
        clean["chinese"] = "simplified"
    if found.personal:
        clean["mask"] = sorted(found.personal)
    given = text.model_dump(exclude_unset=True, mode="json")
    if found.fields:
        given["field"] = found.fields
    filters: list[Any] = []
    known = sorted(languages & {"en", "zh"})
    if len(languages - {UNKNOWN}) > 1 and known:
        filters.append({"kind": "language", "keep": known})
    if "en" in languages:
        filters += [{"kind": k, "only": ["en"]} for k in ("gopher_repetition", "gopher_quality")]
    if "zh" in languages:
        filters.append({"kind": "chinese", "only": ["zh"]})
    tree = {
        "text": given | ({"clean": given.get("clean", {}) | clean} if clean else {}),
        "filters": filters,
        "dedup": {"near": True},
        "out": "corpora/cleaned",
    }
    return yaml.safe_dump(tree, allow_unicode=True, sort_keys=False, default_flow_style=None)


def _often(count: int, found: Look) -> bool:
    return count > _WORTH_FRAC * found.documents
