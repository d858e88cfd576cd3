"""Tokens per second of a Transformer in training on pairs: ours beside a plain torch.nn loop.

    python benchmarks/pairs_speed.py [--rounds 3] [--steps 8]

Both have the same sizes, dropout, label smoothing, AdamW and gradient clipping, in float32 and in
bfloat16 (theirs all in bfloat16, ours with masters in float32). torch.nn reads our batches, and
once more pairs as they come, padded to the longest, as tutorials have it. Tokens are those of
sources and targets, padding not counted. turns.py says how figures are taken. The printed MFU
counts the products of blocks and of scores for tokens that are no padding; those over places of
attention are left out.
"""

from turns import Entry, Shape, arguments, compare

SHAPES = {"small": Shape(layers=3, heads=4, width=256, context=64, vocab=8000, batch=64)}


def entries() -> list[Entry]:
    """All in both precisions."""
    return [
        Entry(
            f"{whose} {precision}",
            script,
            needs,
            (f"--precision={precision}", f"--order={order}"),
            ours,
        )
        for precision in ("fp32", "bf16")
        for whose, script, needs, order, ours in (
            ("lingloom", "lingloom_pairs.py", "lingloom", "sorted", True),
            ("torch, our batches", "torch_pairs.py", "lingloom", "sorted", False),
            ("torch, as they come", "torch_pairs.py", "lingloom", "come", False),
        )
    ]


def flops(shape: Shape) -> float:
    """Of one token's training: half of the tokens are sources, half are targets and scored."""
    blocks = shape.layers * (24 + 32) / 2 * shape.width**2
    return 3.0 * (blocks + shape.width * shape.vocab)


def main() -> None:
    asked = arguments(__doc__, SHAPES, list(SHAPES)).parse_args()
    for name in asked.shape:
        compare(name, SHAPES[name], entries(), asked, flops(SHAPES[name]))


if __name__ == "__main__":
    main()
