"""How the memory that a user allows is spent: workers, the size of parts, the number of ranges."""

import os
from dataclasses import dataclass

from ...errors import RecipeError
from .settings import CorpusSettings

PARENT_BYTES = 150_000_000
"""What the process that hands out tasks takes; measured."""
WORKER_BYTES = 170_000_000
"""What a worker takes before it holds any text: Python, Arrow, tables of characters; measured."""
PART_FOLD = 9
"""A worker holds this many times the text of a part while it cleans it; measured."""
SHARD_FOLD = 5
"""A worker holds this many times the text of a file while it writes it; measured."""
RECORD_FOLD = 6
"""A worker holds this many times the records of a range while it sorts them; measured."""
SMALLEST_PART, USUAL_PART, LARGEST_PART = 2_000_000, 32_000_000, 256_000_000
PARTS = 1000
"""With more parts than that they are made larger: each file of the corpus looks into each part."""


@dataclass(frozen=True)
class Budget:
    """What fits into the memory."""

    workers: int
    part_bytes: int
    """Text in a part."""
    range_bytes: int
    """Records of a range of hashes."""

    def ranges(self, record_bytes: int) -> int:
        """In how many ranges so many records are gone through."""
        return max(1, -(-record_bytes // self.range_bytes))


def budget(settings: CorpusSettings, text_bytes: float = 0) -> Budget:
    """Fewer workers than asked for where the memory is too small for all of them.

    Args:
        settings: the recipe.
        text_bytes: how much text there is to read, about.

    Raises:
        RecipeError: it is too small for a single one.
    """
    shard = SHARD_FOLD * settings.shard_mb * 10**6
    least = WORKER_BYTES + max(shard, PART_FOLD * SMALLEST_PART)
    room = settings.memory_bytes - PARENT_BYTES
    if room < least:
        needed = -(-(PARENT_BYTES + least) // 10**6)
        raise RecipeError(
            f"memory: {settings.memory} is too little to write files of shard_mb="
            f"{settings.shard_mb}; set memory={needed}MB or more, or a smaller shard_mb"
        )
    workers = min(_wanted(settings, room, shard), room // least)
    free = room // workers - WORKER_BYTES
    wished = USUAL_PART
    while wished < LARGEST_PART and text_bytes / wished > PARTS:
        wished *= 2  # in steps, so that a file more or less seldom changes it
    part = min(wished, max(SMALLEST_PART, free // PART_FOLD))
    return Budget(workers, part, free // RECORD_FOLD)


def _wanted(settings: CorpusSettings, room: int, shard: int) -> int:
    """Workers to have, if there is memory for them. How many processors a cluster has is not known
    before it is asked; all that the memory feeds well, of which it takes as many as it can."""
    if settings.workers:
        return settings.workers
    if settings.executor == "ray" and os.environ.get("RAY_ADDRESS"):
        return max(1, room // (WORKER_BYTES + max(shard, PART_FOLD * USUAL_PART)))
    return os.cpu_count() or 1
