"""Batches of training text, any step at any time.

The corpus is read as a ring: its last document's END stands before its first document. Each epoch
turns the ring by a number of tokens of its own, cuts it into windows of `context` targets, and
takes them in a shuffled order. Everything follows from (seed, step), so there is no state to save:
a run resumes exactly, on any number of workers. (With `packing='carried'` the ring is neither
turned nor shuffled.)
"""

from typing import Literal

import numpy as np
import torch

from ..errors import DataError
from .batch import Batch
from .order import draw, permute
from .shards import Shards

Packing = Literal["stream", "documents", "carried"]


class Batches:
    """What is read at each step.

    Args:
        shards: the training text.
        context: tokens per row.
        batch: rows per step.
        seed: of the order.
        packing: 'stream' lets attention cross document borders; 'documents' sets `segments`, each
            beginning with the END that stands before its document. 'carried' cuts the text into
            `batch` stretches and reads each on from step to step, in the same order in every epoch,
            as models that carry a state are trained (Mikolov et al. 2010; Zaremba et al. 2014).

    Raises:
        DataError: the text does not fill one row; or one row of each stretch.
    """

    def __init__(
        self, shards: Shards, context: int, batch: int, seed: int, packing: Packing = "stream"
    ):
        if shards.tokens < context + 1:
            raise DataError(
                f"{shards.path}: {shards.tokens} tokens do not fill one row of model.context "
                f"{context} and its next token; read more text, or set model.context="
                f"{max(1, shards.tokens - 1)} or less"
            )
        self.shards, self.context, self.batch = shards, context, batch
        self.seed, self.packing = seed, packing
        self.windows = shards.tokens // context
        """Rows in one epoch; each token is a target once, but for a remainder below `context` (of
        each stretch, where the text is cut into some)."""
        self.stretch = shards.tokens // batch
        """Tokens that one row reads in an epoch of 'carried' packing."""
        if packing == "carried":
            self.windows = self.stretch // context * batch
            if not self.windows:
                raise DataError(
                    f"{shards.path}: {shards.tokens} tokens cut into train.batch {batch} stretches "
                    f"do not fill model.context {context}; read more text, or set train.batch="
                    f"{shards.tokens // context} or less"
                )

    @property
    def steps_per_epoch(self) -> float:
        return self.windows / self.batch

    def at(self, step: int) -> Batch:
        """The rows of `step`, counted from 0; epochs follow each other without a gap."""
        places = self.starts(step)[:, None] + np.arange(self.context + 1)
        rows = self.shards.take(places % self.shards.tokens)  # (B, T + 1)
        ids, targets = rows[:, :-1], rows[:, 1:]
        segments = None
        if self.packing == "documents":
            segments = torch.from_numpy(np.cumsum(ids == self.shards.end, axis=1))
        return Batch(
            torch.from_numpy(np.ascontiguousarray(ids)),
            torch.from_numpy(np.ascontiguousarray(targets)),
            segments,
            goes_on=self.packing == "carried" and step % (self.windows // self.batch) > 0,
        )

    def document_ids(self, step: int) -> list[str]:
        """Names of the documents that the rows of `step` touch, each once, in order of rows."""
        found: dict[str, None] = {}
        total = self.shards.tokens
        for start in self.starts(step) % total:
            stop = int(start) + self.context + 1
            spans = [(int(start), min(stop, total)), (0, max(0, stop - total))]
            for span in spans:
                for i in self.shards.documents_in(*span):
                    found[self.shards.document_id(i)] = None
        return list(found)

    def starts(self, step: int) -> np.ndarray:
        """Where the rows of `step` begin on the ring, (B,) int64; beyond its end stands for
        the same place one round earlier."""
        if self.packing == "carried":
            done = step % (self.windows // self.batch) * self.context
            # from the ring's last END: the text's first token is a target too
            return np.arange(self.batch) * self.stretch + done - 1
        rows = step * self.batch + np.arange(self.batch)
        epochs, within = np.divmod(rows, self.windows)
        starts = np.empty(self.batch, dtype=np.int64)
        for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
            chosen = epochs == epoch
            key = draw(1 << 64, self.seed, epoch)
            turn = draw(self.shards.tokens, key, 1)
            starts[chosen] = turn + permute(within[chosen], self.windows, key) * self.context
        return starts
