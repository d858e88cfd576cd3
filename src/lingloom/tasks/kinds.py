"""What a model can be asked, by what it learnt; one row per task."""

TASKS = {
    "": "embed",
    "cbow": "nearest",
    "co_occurrence": "nearest",
    "masked_token": "fill",
    "classify": "classify",
    "next_token": "generate",
    "tag": "tag",
    "pairs": "translate",
    "span": "answer",
    "skip_gram": "nearest",
    "span_corruption": "fill_gaps",
}
"""Objective -> task: the method of `api.Model`, the file beside this one, and the file of
`verbs/asks` that have this name. A newcomer adds its row here and these three. The first is for
models that only make vectors of texts."""
