"""The objectives: a newcomer adds its row here and its file beside this one."""

OBJECTIVES = {
    "classify": "train.objectives.classify:ClassifySettings",
    "span": "train.objectives.span:SpanSettings",
    "tag": "train.objectives.tag:TagSettings",
    "pairs": "train.objectives.pairs:PairsSettings",
    "masked_token": "train.objectives.masked_token:MaskedTokenSettings",
    "next_token": "train.objectives.next_token:NextTokenSettings",
    "span_corruption": "train.objectives.span_corruption:SpanCorruptionSettings",
    "co_occurrence": "train.objectives.co_occurrence:CoOccurrenceSettings",
    "skip_gram": "train.objectives.skip_gram:SkipGramSettings",
    "cbow": "train.objectives.cbow:CBOWSettings",
}
