"""Labelled texts as rows: each text is one row, and texts of like length are read together.

Each epoch shuffles all texts, takes them in pools of some batches, sorts each pool by length, cuts
it into batches and shuffles these. Everything follows from (seed, epoch), so there is no state to
save. The last batch of an epoch may hold fewer rows; each text is read once an epoch.

Shapes: B rows, T tokens of the longest.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ..errors import DataError
from .batch import IGNORE, Passages
from .order import draw, permute
from .reading import Reading

POOL = 64
"""Batches that are sorted by length together."""


class Labelled:
    """Rows of labelled texts, for any numbers of texts; and which of them each step reads.

    Args:
        reading: texts with labels.
        context: most tokens of a row, signs included.
        batch: rows per step.
        seed: of the order.
        cut: leave out what is beyond the context, instead of refusing it.
        signs: ids that stand before each text, and those behind it.

    Raises:
        DataError: the texts have no labels; one is longer than the context, and not to be cut.
    """

    def __init__(
        self,
        reading: Reading,
        context: int,
        batch: int,
        seed: int,
        *,
        cut: bool = False,
        signs: tuple[Sequence[int], Sequence[int]] = ((), ()),
    ):
        if reading.labels is None:
            raise DataError(
                f"{reading.texts.path}: these texts have no labels; name the field that holds them "
                "as text.label_field, and start a new run"
            )
        self.texts, self.labels = reading.texts, reading.labels
        self.end = reading.texts.end
        self.batch, self.seed = min(batch, self.texts.documents), seed
        self.before, self.behind = signs
        self.room = context - len(self.before) - len(self.behind)
        """Tokens of a text that fit."""
        if self.room < 1:
            raise DataError(
                f"model.context {context} has no room for a text between its {context - self.room} "
                "signs; raise it"
            )
        self._starts = self.texts.starts()
        self._sizes = np.diff(self._starts) - 1
        self.cut_texts = int((self._sizes > self.room).sum())
        """Texts of which the end is left out."""
        if self.cut_texts and not cut:
            self._refuse(context)
        self._held: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def _refuse(self, context: int) -> None:
        first = int(np.flatnonzero(self._sizes > self.room)[0])
        signs = len(self.before) + len(self.behind)
        raise DataError(
            f"{self.texts.document_id(first)}: {self._sizes[first]} tokens"
            f"{f' and {signs} signs around them' if signs else ''} do not fit model.context "
            f"{context}, and {self.cut_texts} of {self.texts.documents} texts are so long, the "
            f"longest {self._sizes.max()}; raise model.context, or read only their beginnings with "
            "train.objective.cut=true"
        )

    @property
    def steps_per_epoch(self) -> float:
        return -(-self.texts.documents // self.batch)

    def at(self, step: int) -> Passages:
        """The rows of `step`, counted from 0; epochs follow each other without a gap."""
        return self.rows(self.chosen(step))

    def document_ids(self, step: int) -> list[str]:
        """Names of the texts that are the rows of `step`."""
        return [self.texts.document_id(int(i)) for i in self.chosen(step)]

    def chosen(self, step: int) -> np.ndarray:
        """Indices of the texts of `step`, (B,) int64."""
        each = int(self.steps_per_epoch)
        epoch, place = divmod(step, each)
        key = draw(1 << 64, self.seed, epoch)
        if self._held[0] != epoch:
            self._held = (epoch, self._sorted_in_pools(key))
        batch = int(permute(np.array([place]), each, draw(1 << 64, key, 1))[0])
        return self._held[1][batch * self.batch : (batch + 1) * self.batch]

    def _sorted_in_pools(self, key: int) -> np.ndarray:
        texts = self.texts.documents
        order = permute(np.arange(texts), texts, key)
        pools = np.arange(texts) // (POOL * self.batch)
        return order[np.lexsort((self._sizes[order], pools))]

    def each_once(self) -> Iterator[np.ndarray]:
        """Indices of all texts, some of like length at a time; whoever stops on the way has seen
        short and long ones."""
        return map(self.chosen, range(int(self.steps_per_epoch)))

    def rows(self, chosen: np.ndarray) -> Passages:
        """These texts, one row each."""
        lines, marks = [], []
        for i in chosen:
            start = int(self._starts[i])
            stop = start + min(int(self._sizes[i]), self.room)
            lines.append(self.texts.ids(start, stop))
            if self.labels.set.of == "word":
                marks.append(self.labels.of_tokens(start, stop))
        rows = passages(lines, self.end, signs=(self.before, self.behind), marks=marks or None)
        if marks:
            return rows
        labels = torch.tensor([self.labels.of_text(int(i)) for i in chosen])
        return Passages(rows.ids, rows.seen, labels=labels)


def passages(
    lines: Sequence[np.ndarray],
    end: int,
    *,
    signs: tuple[Sequence[int], Sequence[int]] = ((), ()),
    marks: Sequence[np.ndarray] | None = None,
) -> Passages:
    """Rows of ids, padded on the right with END.

    Args:
        lines: ids of each row.
        end: id of END.
        signs: ids that stand before each row's, and behind them.
        marks: a target for each of the ids.
    """
    before, behind = (np.array(part, np.int64) for part in signs)
    whole = [np.concatenate([before, line, behind]) for line in lines]
    width = max(1, *(len(line) for line in whole))
    ids = np.full((len(whole), width), end, np.int64)
    targets = np.full_like(ids, IGNORE)
    for b, line in enumerate(whole):
        ids[b, : len(line)] = line
        if marks is not None:
            targets[b, len(before) : len(line) - len(behind)] = marks[b]
    sizes = np.array([len(line) for line in whole])
    seen = torch.from_numpy(np.arange(width) < sizes[:, None])
    return Passages(
        torch.from_numpy(ids), seen, targets=None if marks is None else torch.from_numpy(targets)
    )
