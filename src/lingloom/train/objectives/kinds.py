"""The objectives: a newcomer adds its row here and its file beside this one."""

OBJECTIVES = {
    "next_token": "train.objectives.next_token:NextTokenSettings",
}
