"""What a model can be asked, by what it learnt; one row per task."""

TASKS = {
    "next_token": "generate",
    "span_corruption": "fill_gaps",
    "pairs": "translate",
}
"""Objective -> task: the method of `api.Model`, the file beside this one, and the file of
`verbs/asks` that have this name. A newcomer adds its row here and these three."""
