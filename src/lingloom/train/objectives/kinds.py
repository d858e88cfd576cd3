"""The objectives: a newcomer adds its row here and its file beside this one."""

OBJECTIVES = {
    "pairs": "train.objectives.pairs:PairsSettings",
    "classify": "train.objectives.classify:ClassifySettings",
    "tag": "train.objectives.tag:TagSettings",
    "next_token": "train.objectives.next_token:NextTokenSettings",
}
