"""The model card: what the model is for and what it cannot do, reasoned from the run's figures.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting", section 4. The thresholds name
theirs beside them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..measure.score import Score
from .facts import Count, DataFacts, ModelFacts, ReportData

TOKENS_PER_PARAMETER = 20
"""Training text at which a model of a given cost is best (Hoffmann et al. 2022, table 3)."""
FRESH_EPOCHS = 4
"""Repeats that are worth nearly as much as new text (Muennighoff et al. 2023, section 5)."""
FEW_DOCUMENTS = 30
"""Below this many documents a bootstrap interval is too narrow to lean on."""

USES = {
    "generate": (
        "text-generation",
        "It continues text like the text it was trained on: for learning, for research, and as a "
        "start for further training on a task.",
        "它续写与训练数据相似的文本；适合学习、研究，或作为后续任务训练的起点。",
    ),
    "fill": (
        "fill-mask",
        "It says which word is missing in a text: for learning, for research, and as a start for "
        "further training on labels.",
        "它填出文本中缺少的词；适合学习、研究，或作为分类、标注等后续训练的起点。",
    ),
    "classify": (
        "text-classification",
        "It says which of its labels a text like those it was trained on has.",
        "它判断与训练数据相似的文本属于哪一类。",
    ),
    "tag": (
        "token-classification",
        "It gives each word of a text like those it was trained on one of its labels.",
        "它为与训练数据相似的文本中的每个词标注标签。",
    ),
    "answer": (
        "question-answering",
        "It finds the answer to a question in a passage like those it was trained on.",
        "它在与训练数据相似的段落中找出问题的答案。",
    ),
    "translate": (
        "text2text-generation",
        "It writes for a text what stood beside those it was trained on, such as a translation.",
        "它为一段文本写出训练数据中与之成对的内容，例如译文。",
    ),
    "fill_gaps": (
        "text2text-generation",
        "It says what is missing in a text: for learning, for research, and as a start for further "
        "training on pairs of texts.",
        "它补出文本中缺少的部分；适合学习、研究，或作为后续任务训练的起点。",
    ),
}
"""Task -> how model hubs call it, and what it is for in two languages."""


TELLS = ("answer", "classify", "tag")
"""Tasks whose answers are labels or places in a text: such a model writes nothing."""
_FORETELLS = (
    "It foretells what text looks like, not what is true; fluent statements may be false.",
    "它预测文本的样子，而非事实；通顺的句子也可能是错的。",
)
_MAY_SAY = (
    "Whatever its sources contain, it may say: their biases, and names or addresses in them. "
    "It was not tested for either.",
    "训练数据中的偏见以及姓名、地址等内容，都可能被它复述；这两点尚未测试。",
)
_MUST_TELL = (
    "It gives a label to whatever it reads, also where none fits, and its probabilities were not "
    "checked against how often it is right.",
    "无论读到什么它都会给出标签，即使没有一个合适；它给出的概率未经校准检验。",
)
_MUST_FIND = (
    "It may find an answer in a passage that holds none, and what it finds is what the passage "
    "says, true or not; its probabilities were not checked against how often it is right.",
    "段落中没有答案时，它也可能给出一个；它给出的是段落的说法，不论真假；它给出的概率未经校准检验。",
)
_LEANS = (
    "It may go by what happened to stand beside a label in its sources, their biases included. It "
    "was not tested for either.",
    "它可能依据训练数据中恰好与标签同现的内容（包括偏见）作判断；这两点尚未测试。",
)


@dataclass(frozen=True)
class CardPart:
    """One heading of the card and its statements, each in English and Chinese."""

    heading: str
    heading_zh: str
    lines: list[tuple[str, str]]


def card(data: ReportData) -> list[CardPart]:
    """The card's parts; what no figure supports is left out rather than guessed."""
    parts = [
        CardPart("What it is", "这是什么", list(_what(data.model))),
        CardPart("Intended use", "用途", list(_use(data.model.task))),
        CardPart("Training data", "训练数据", list(_sources(data.data))),
        CardPart("What it cannot do", "局限", list(_limits(data))),
        CardPart("Measured", "评测", [(f"{who}: {s}", "") for who, s in _measured(data)]),
    ]
    return [part for part in parts if part.lines]


def card_markdown(data: ReportData) -> str:
    """The card as the README.md of a model folder, with the header that model hubs read."""
    names = dict.fromkeys(c.name.partition("-")[0] for c in data.data.languages)
    languages = [name for name in names if len(name) == 2 and name.isalpha()]
    tag = USES[data.model.task][0] if data.model.task in USES else ""
    head = ["---", "library_name: transformers", *([f"pipeline_tag: {tag}"] if tag else [])]
    head += ["language:", *(f"- {name}" for name in languages)] if languages else []
    lines = [*head, "tags:", "- lingloom", "---", "", f"# {_one_line(data.name)}", ""]
    if data.summary:
        lines += [_one_line(data.summary), ""]
    for part in card(data):
        lines += [f"## {part.heading} · {part.heading_zh}", ""]
        lines += [f"* {_one_line(' '.join(both).strip())}" for both in part.lines]
        lines.append("")
    return "\n".join(lines)


def size(text_bytes: float) -> str:
    """Bytes as people say them: 1,234,567 -> '1.2 MB'."""
    for unit, power in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if text_bytes >= power:
            return f"{text_bytes / power:.1f} {unit}"
    return f"{text_bytes:.0f} bytes"


def amount(count: float) -> str:
    """A large count as people say it: 10,700,000 -> '10.7 million'."""
    for unit, power in (("billion", 1e9), ("million", 1e6)):
        if count >= power:
            return f"{count / power:.1f} {unit}"
    return f"{count:,.0f}"


def _what(model: ModelFacts) -> Iterator[tuple[str, str]]:
    if not model.kind:
        return
    shape = f" ({model.shape})" if model.shape else ""
    if model.parameters is None:
        yield f"A language model of the {model.kind} family{shape}.", f"{model.kind} 类语言模型。"
        return
    yield (
        f"A language model of the {model.kind} family{shape} with {amount(model.parameters)} "
        f"parameters, trained from {model.began_with or 'random weights'}.",
        f"{model.kind} 类语言模型，{model.parameters:,} 个参数，"
        f"从{model.began_with or '随机权重'}开始训练。",
    )


def _use(task: str) -> Iterator[tuple[str, str]]:
    if task in USES:
        yield USES[task][1:]
    yield (
        "It has not been taught to follow instructions, to answer truthfully or to refuse; do not "
        "let it decide about people.",
        "它没有学过遵循指令、如实作答或拒绝请求；不要用它做与人有关的决定。",
    )


def _sources(data: DataFacts) -> Iterator[tuple[str, str]]:
    total = sum(c.text_bytes for c in data.sources)
    for source in sorted(data.sources, key=lambda c: -c.text_bytes)[:12]:
        share = f", {source.text_bytes / total:.0%}" if total else ""
        documents = f"{source.documents:,} documents"
        yield f"{source.name}: {documents}, {size(source.text_bytes)}{share}.", ""
    if left_out := sum(c.documents for c in data.dropped):
        reasons = ", ".join(f"{c.name} {c.documents:,}" for c in data.dropped)
        yield (
            f"{left_out:,} documents were left out ({reasons}).",
            f"剔除 {left_out:,} 篇文档。",
        )


def _limits(data: ReportData) -> Iterator[tuple[str, str]]:
    tells = data.model.task in TELLS
    finds = data.model.task == "answer"
    yield _MUST_FIND if finds else _MUST_TELL if tells else _FORETELLS
    yield from _reach(data.model)
    yield from _repeats(data.model)
    yield from _tongues(data.data.languages)
    yield _LEANS if tells else _MAY_SAY
    yield from _trust_in_scores(data)
    yield from ((line, "") for line in data.limits)


def _reach(model: ModelFacts) -> Iterator[tuple[str, str]]:
    if model.context is None:
        return
    length = f"{model.context:,} tokens"
    if model.bytes_per_token:
        length += f" (about {size(model.context * model.bytes_per_token)} of text)"
    yield (
        f"It sees at most {length} at a time; a longer prompt is refused.",
        f"它一次最多读 {model.context:,} 个词元；更长的提示会被拒绝。",
    )


def _repeats(model: ModelFacts) -> Iterator[tuple[str, str]]:
    if not model.seen_tokens or not model.train_tokens:
        return
    epochs = model.seen_tokens / model.train_tokens
    yield (
        f"It read {amount(model.seen_tokens)} tokens: its {amount(model.train_tokens)} tokens of "
        f"text {epochs:.1f} times over.",
        f"它共读了 {model.seen_tokens:,} 个词元，即训练文本的 {epochs:.1f} 遍。",
    )
    if model.task in TELLS:
        return
    if epochs > FRESH_EPOCHS:
        yield (
            f"More than {FRESH_EPOCHS} readings of the same text: it may recite passages by heart.",
            f"同一文本读了 {FRESH_EPOCHS} 遍以上：它可能逐字背出训练内容。",
        )
    if model.parameters and model.train_tokens < TOKENS_PER_PARAMETER * model.parameters:
        ratio = model.train_tokens / model.parameters
        yield (
            f"It had {ratio:.2g} different tokens per parameter; about {TOKENS_PER_PARAMETER} are "
            "usual for a model of its size, so more text would help more than more parameters.",
            f"每个参数只有 {ratio:.2g} 个不同词元（通常约 {TOKENS_PER_PARAMETER} 个）；"
            "增加文本比增加参数更有用。",
        )


def _tongues(languages: Sequence[Count]) -> Iterator[tuple[str, str]]:
    if total := sum(c.text_bytes for c in languages):
        shares = ", ".join(f"{c.name} {c.text_bytes / total:.0%}" for c in languages)
        yield (
            f"It knows the languages of its text alone ({shares} of the bytes).",
            f"它只懂训练文本中的语言（按字节：{shares}）。",
        )


def _trust_in_scores(data: ReportData) -> Iterator[tuple[str, str]]:
    scores = [s for _, s in _measured(data)]
    if not scores:
        yield "It was not measured on held-out text.", "尚未在留出文本上评测。"
        return
    yield (
        "Its scores are on held-out text of the same sources; other text will fare worse.",
        "分数来自同源的留出文本；换成其他文本会更差。",
    )
    n = min(s.n for s in scores)
    if n < FEW_DOCUMENTS:
        yield (
            f"Measured on {n} documents only: take the intervals as rough.",
            f"仅在 {n} 篇文档上评测：区间只作参考。",
        )
    gap = data.difference
    if gap is not None and gap.high is not None and gap.high >= 0:
        yield (
            f"It does not clearly beat the baseline: {gap}.",
            "它并未明显优于基线模型。",
        )


def _measured(data: ReportData) -> list[tuple[str, Score]]:
    return [(who, score) for who, scores in data.scores.items() for score in scores]


def _one_line(text: str) -> str:
    """One line that Markdown shows as text: a source may be called anything."""
    return " ".join(text.split()).replace("<", "&lt;")
