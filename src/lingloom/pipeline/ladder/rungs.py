"""The rungs, from the lowest up: one row for each family of language models, or kind of one.

A newcomer adds its row where it stands in the history of the field. Every rung reads the same rows
of the same tokens, so a row says only what makes the family what it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rung:
    """One family at the size of the ladder."""

    name: str
    model: Mapping[str, Any]
    """Its section of a recipe; the ladder adds `width` and `context` where the family has them."""
    adds: str
    """What it can do that the rung below cannot, in the words of the page."""
    adds_zh: str
    formula: str
    """How it foretells, or what its step is, in one line without words."""
    theory: str
    """Page of docs/theory that explains the formula."""
    code: str
    """The object that computes it, 'MODULE:NAME' within the package."""
    proof: str
    """The test that it is the formula, 'FILE::NAME' within tests."""
    lr: float = 0.0
    """Peak step size of Muon at a width of 128; it falls as the width grows. 0: it only counts."""

    @property
    def counts(self) -> bool:
        """Whether it learns by counting and not by gradient."""
        return not self.lr


_COUNTED: dict[str, Any] = {
    "theory": "kneser-ney",
    "code": "models.kneser_ney:_interpolate",
    "proof": "models/test_ngram.py::test_two_documents_by_hand",
}

RUNGS = {
    rung.name: rung
    for rung in (
        Rung(
            "1-gram",
            {"kind": "ngram", "order": 1},
            "knows how often each token comes",
            "知道每个词元出现的频率",
            formula="p(w) = (a(w) - D) / Σ a + g / V",
            **_COUNTED,
        ),
        Rung(
            "2-gram",
            {"kind": "ngram", "order": 2},
            "looks at the token before",
            "看前一个词元",
            formula="p(w | h) = (a(hw) - D) / Σ a(h·) + g(h) p(w | h'), |h| = 1",
            **_COUNTED,
        ),
        Rung(
            "3-gram",
            {"kind": "ngram", "order": 3},
            "looks at the two tokens before",
            "看前两个词元",
            formula="p(w | h) = (a(hw) - D) / Σ a(h·) + g(h) p(w | h'), |h| = 2",
            **_COUNTED,
        ),
        Rung(
            "5-gram",
            {"kind": "ngram", "order": 5},
            "looks at the four tokens before, where they were seen together",
            "看前四个词元（须一起出现过）",
            formula="p(w | h) = (a(hw) - D) / Σ a(h·) + g(h) p(w | h'), |h| = 4",
            **_COUNTED,
        ),
        Rung(
            "elman",
            {"kind": "rnn", "cell": "elman_tanh", "layers": 2},
            "learns what tokens have in common, and carries a state of any age",
            "学到词元之间的相似，并携带一个状态",
            formula="h ← tanh(W x + U h + b)",
            theory="rnn",
            code="models.recurrent:ElmanTanh",
            proof="models/test_rnn.py::test_a_cell_equals_the_librarys_with_the_same_weights",
            lr=2e-2,
        ),
        Rung(
            "lstm",
            {"kind": "rnn", "cell": "lstm", "layers": 2},
            "has a memory, and gates that decide what enters, stays and leaves",
            "有记忆单元，由门决定写入、保留和读出",
            formula="c ← f c + i g,  h ← o tanh c,  f, i, o = s(W x + U h + b),  "
            "g = tanh(W x + U h + b)",
            theory="lstm",
            code="models.recurrent:LSTM",
            proof="models/test_rnn.py::test_a_cell_equals_the_librarys_with_the_same_weights",
            lr=2e-2,
        ),
        Rung(
            "peephole",
            {"kind": "rnn", "cell": "peephole", "layers": 2},
            "lets the gates see the memory",
            "门能看见记忆单元",
            formula="c' = f c + i g,  h ← o tanh c',  f, i = s(W x + U h + p c + b),  "
            "o = s(W x + U h + p c' + b),  g = tanh(W x + U h + b)",
            theory="lstm",
            code="models.recurrent:Peephole",
            proof="models/test_rnn.py::test_peepholes_equal_the_formula_step_by_step",
            lr=2e-2,
        ),
        Rung(
            "gru",
            {"kind": "rnn", "cell": "gru", "layers": 2},
            "does with two gates and no memory apart",
            "只用两个门，不设单独的记忆单元",
            formula="h ← (1 - z) n + z h,  z, r = s(W x + U h + b),  "
            "n = tanh(W x + r (U h + b) + b)",
            theory="gru",
            code="models.recurrent:GRU",
            proof="models/test_rnn.py::test_a_cell_equals_the_librarys_with_the_same_weights",
            lr=2e-2,
        ),
        Rung(
            "gpt2",
            {"kind": "gpt2", "layers": 4, "heads": 4},
            "looks at every earlier token itself (attention), all places at once",
            "直接看每个先前的词元（注意力），各位置并行",
            formula="x ← x + W softmax(q kᵀ / √D) v,  x ← x + W gelu(W norm x)",
            theory="attention",
            code="models.gpt2:Block",
            proof="models/test_parity.py::test_our_folder_opens_in_transformers_with_the_same_logits",
            lr=1e-2,
        ),
        Rung(
            "llama",
            {"kind": "llama", "layers": 4, "heads": 4},
            "knows how far apart tokens are (rotary), gates its layers (SwiGLU), has no biases",
            "知道词元间的距离（旋转位置），层内有门（SwiGLU），没有偏置",
            formula="x ← x + W softmax(R(t) q (R(t') k)ᵀ / √D) v,  "
            "x ← x + W (silu(G norm x) · U norm x)",
            theory="positions",
            code="models.llama:Block",
            proof="models/test_parity.py::test_our_folder_opens_in_transformers_with_the_same_logits",
            lr=1e-2,
        ),
    )
}
"""Name -> rung, in the order in which they are climbed."""
