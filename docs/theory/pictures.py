"""Draw the pictures of these pages from real numbers: `python docs/theory/pictures.py [FOLDER]`.

Each function marked as a picture, here and in of_*.py, is that of the page of its name; `-` stands
for `_` there.
"""

import sys
from pathlib import Path

import of_models  # noqa: F401  # to import them registers their pictures
import of_text  # noqa: F401
import of_training  # noqa: F401
import torch
from draw import COLOURS, PICTURES, Drawing, picture


def overview(words: dict[str, list[str]]) -> Drawing:
    """How the pages hang together; `words` has a heading and the lines below it for each box."""
    sheet = Drawing(800, 330)
    places = {
        "learnt": (95, 90),
        "models": (300, 90),
        "loss": (505, 90),
        "training": (300, 255),
        "writing": (505, 255),
        "measuring": (705, 170),
    }
    for (name, (x, y)), colour in zip(places.items(), COLOURS + COLOURS, strict=False):
        heading, *lines = words[name]
        sheet.box((x, y), (170, 126), stroke=colour)
        sheet.text((x, y - 42), heading, 15, fill=colour)
        for i, line in enumerate(lines):
            sheet.text((x, y - 20 + 18 * i), line, 12)
    for start, end in (
        ((180, 90), (215, 90)),
        ((385, 90), (420, 90)),
        ((440, 153), (375, 192)),
        ((300, 192), (300, 153)),
        ((365, 153), (440, 192)),
        ((590, 105), (620, 140)),
        ((590, 240), (620, 205)),
    ):
        sheet.arrow(start, end)
    return sheet


@picture
def index() -> Drawing:
    return overview(
        {
            "learnt": [
                "Text, and what is learnt",
                "MinHash",
                "next token, packing",
                "masked LM",
                "span corruption",
            ],
            "models": ["Models", "n-grams, word2vec, GloVe", "RNN, LSTM, GRU, CRF"]
            + ["attention, positions, norms", "TextCNN, GELU, SwiGLU", "Transformer"],
            "loss": ["Loss", "cross-entropy", "label smoothing"],
            "training": ["Training", "back-propagation", "SGD, AdaGrad, Adam, Muon"]
            + ["schedules, averaging", "dropout, penalties"],
            "writing": ["Writing", "beam search", "sampling"],
            "measuring": [
                "Measuring",
                "perplexity, bits per byte",
                "BLEU, F1",
                "ROC, AUC",
                "intervals",
            ],
        }
    )


@picture
def index_zh() -> Drawing:
    return overview(
        {
            "learnt": ["文本与学什么", "MinHash", "下一个词元、打包", "掩码语言模型", "片段破坏"],
            "models": ["模型", "n 元语法、word2vec、GloVe", "RNN、LSTM、GRU、CRF"]
            + ["注意力、位置、归一化", "TextCNN、GELU、SwiGLU", "Transformer"],
            "loss": ["损失", "交叉熵", "标签平滑"],
            "training": ["训练", "反向传播", "SGD、AdaGrad、Adam、Muon"]
            + ["学习率衰减、权重平均", "Dropout、惩罚项"],
            "writing": ["写出来", "集束搜索", "采样"],
            "measuring": ["度量", "困惑度、每字节比特数", "BLEU、F1", "ROC、AUC", "置信区间"],
        }
    )


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    for name, draw in PICTURES.items():
        (folder / f"{name}.svg").write_text(draw().svg(), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("pictures"))
