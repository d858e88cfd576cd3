"""Tokens per second of masked-language training: our BERT beside transformers', in one run.

    python benchmarks/bert_speed.py --peer-python PATH [--shape small base]

Same shapes, same tokens per step, random ids of which 15% are hidden, AdamW, clipping at 1, no
dropout. Ours runs under the public loop with its defaults; transformers' BertForMaskedLM under a
plain loop (forward, backward, clip, step). turns.py says how figures are taken. Rows are made
beforehand for both. One thing differs by design: ours forms the scores of hidden places only,
transformers those of every place. The printed MFU counts the blocks alone, so it is below the
truth, by the same operations for both.
"""

from turns import Entry, Shape, arguments, compare

SHAPES = {
    "tiny": Shape(2, 2, 64, 64, 65, 8),
    "small": Shape(4, 4, 256, 128, 8000, 32),
    "base": Shape(12, 12, 768, 128, 30522, 16),
}
ENTRIES = (
    Entry("lingloom bert bf16", "lingloom_bert.py", "lingloom", ours=True),
    Entry("lingloom bert fp32", "lingloom_bert.py", "lingloom", ("--precision=fp32",), True),
    Entry("transformers bert fp32", "transformers_bert.py", "transformers", ("--precision=fp32",)),
    Entry("transformers bert bf16", "transformers_bert.py", "transformers"),
)


def blocks_flops(shape: Shape) -> float:
    """Of one token's training in the blocks."""
    return 3.0 * shape.layers * (24 * shape.width**2 + 4 * shape.context * shape.width)


def main() -> None:
    asked = arguments(__doc__, SHAPES, ["small", "base"]).parse_args()
    for name in asked.shape:
        compare(name, SHAPES[name], ENTRIES, asked, blocks_flops(SHAPES[name]))


if __name__ == "__main__":
    main()
