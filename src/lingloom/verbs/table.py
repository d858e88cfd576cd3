"""The verbs: name -> (words it takes, what it does). Each is the file of that name beside this."""

VERBS = {
    "demo": ("[key=value ...]", "the whole way on text that is already here · 演示全过程"),
    "look": ("FILES... [key=value ...]", "what is in a pile of files, and a recipe for it · 看看"),
    "clean": ("RECIPE [key=value ...]", "piles of raw files to a training corpus · 清洗"),
    "plan": (
        "RECIPE [size=5TB] [key=value ...]",
        "memory, minutes and disk before the first step · 预估",
    ),
    "train": ("RECIPE|RUN [key=value ...]", "a new run, or go on with a stopped one · 训练或续训"),
    "ladder": ("CORPUS... [key=value ...]", "every family on one text, side by side · 阶梯"),
    "ask": (
        'MODEL "text" ["second text"] [key=value ...]',
        "go on from a text, or what else was learnt · 提问",
    ),
    "nearest": (
        "MODEL WORDS... [key=value ...]",
        "words near a word or a sum, places near a place · 近词",
    ),
    "measure": ("MODEL [key=value ...]", "perplexity and bits per byte of any text · 评测"),
    "show": ("RUN|CORPUS [VIEW] [key=value ...]", "what the model saw, what was dropped · 查看"),
    "prove": ("RUN", "self-tests on this very run, with the numbers · 自证"),
    "export": ("MODEL DIR|FILE", "a Hugging Face folder; x.arpa.gz; vectors.txt or .bin · 导出"),
    "doctor": ("", "what is installed, what is missing, how to mend it · 体检"),
}

MODEL = "MODEL: a run, a Hugging Face folder, or an n-gram of words in a file m.arpa or m.arpa.gz"
"""What every verb that takes a MODEL says of it."""
