"""Tokens per second and peak memory of training: Lingloom beside its peers, in one run.

    python benchmarks/train_speed.py --peer-python PATH [--nanogpt CHECKOUT] [--shape small large]

Same shapes, same tokens per step, random token ids, AdamW, clipping at 1, no dropout. Every trainer
is warmed up (compiled) first; turns.py says how figures are taken. Peak memory is the process's
VmHWM; compilers that run beside it are not counted. MFU is against the bf16 matrix product measured
in the same run, with 6 FLOPs per weight in a product and 12*layers*width*context for attention per
token (Chowdhery et al. 2022, PaLM, appendix B).

PATH is a python that has the peers: pip install torch transformers accelerate litgpt lightning.
"""

from dataclasses import replace

from turns import Entry, Shape, arguments, compare

SHAPES = {
    "tiny": Shape(2, 2, 64, 64, 65, 8),
    "small": Shape(6, 6, 384, 256, 65, 64),
    "large": Shape(8, 8, 512, 512, 16384, 16),
}
NANOGPT = Entry("nanoGPT bf16 compiled", "nanogpt_train.py", "torch", ("--compile=1",))
ENTRIES = (
    Entry("lingloom gpt2 bf16", "lingloom_train.py", "lingloom", ours=True),
    Entry("lingloom gpt2 bf16 compiled", "lingloom_train.py", "lingloom", ("--compile=1",), True),
    Entry("lingloom gpt2 fp32", "lingloom_train.py", "lingloom", ("--precision=fp32",), True),
    Entry("transformers Trainer fp32", "transformers_trainer.py", "transformers",
          ("--precision=fp32",)),
    Entry("transformers Trainer bf16", "transformers_trainer.py", "transformers"),
    Entry("litgpt bf16-true compiled", "litgpt_pretrain.py", "litgpt", ("--compile=1",)),
    Entry("litgpt bf16-true", "litgpt_pretrain.py", "litgpt"),
)  # fmt: skip


def flops_per_token(shape: Shape) -> float:
    """Of one token's training."""
    weights = 12 * shape.layers * shape.width**2 + shape.vocab * shape.width
    return 6 * weights + 12 * shape.layers * shape.width * shape.context


def main() -> None:
    parser = arguments(__doc__, SHAPES, ["small", "large"])
    parser.add_argument("--nanogpt", default="", help="folder of a nanoGPT checkout")
    asked = parser.parse_args()
    entries = list(ENTRIES)
    if asked.nanogpt:
        options = (*NANOGPT.options, f"--source={asked.nanogpt}")
        entries.append(replace(NANOGPT, options=options))
    else:
        print(f"{NANOGPT.name}: left out; give --nanogpt the folder of a checkout")
    for name in asked.shape:
        compare(name, SHAPES[name], entries, asked, flops_per_token(SHAPES[name]))


if __name__ == "__main__":
    main()
