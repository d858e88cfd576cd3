"""Tokens per second of an LSTM language model in training: ours beside a plain loop over torch.nn.

    python benchmarks/rnn_speed.py [--shape words bytes] [--cells lstm peephole]

Both have the same sizes, carried state, AdamW and gradient clipping, in float32 and in bfloat16
(theirs all in bfloat16, ours with masters in float32). torch.nn has no LSTM with peepholes: beside
ours stands a plain loop over the steps of the same formula. turns.py says how figures are taken.
"""

from turns import Entry, Shape, arguments, compare

SHAPES = {
    "words": Shape(layers=2, heads=1, width=200, context=20, vocab=10_000, batch=20),
    "bytes": Shape(layers=2, heads=1, width=512, context=64, vocab=256, batch=64),
}
CELLS = ("lstm", "peephole")


def entries(cell: str) -> list[Entry]:
    """Both in both precisions."""
    return [
        Entry(
            f"{whose} {cell} {precision}",
            script,
            needs,
            (f"--cell={cell}", f"--precision={precision}"),
            ours,
        )
        for whose, script, needs, ours in (
            ("lingloom", "lingloom_rnn.py", "lingloom", True),
            ("torch", "torch_rnn.py", "torch", False),
        )
        for precision in ("fp32", "bf16")
    ]


def flops(shape: Shape) -> float:
    """Of one token's training: the products of the gates and of the scores."""
    return 3.0 * (shape.layers * 16 * shape.width**2 + 2 * shape.width * shape.vocab)


def main() -> None:
    parser = arguments(__doc__, SHAPES, list(SHAPES))
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS)
    asked = parser.parse_args()
    for cell in asked.cells:
        for name in asked.shape:
            shape = SHAPES[name]
            compare(f"{cell}, {name}", shape, entries(cell), asked, flops(shape))


if __name__ == "__main__":
    main()
