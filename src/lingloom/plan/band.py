"""Numbers with an error band, and the named terms that a plan is made of."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Band:
    """What is expected, and the least and most that would not surprise."""

    value: float
    low: float
    high: float

    def __add__(self, other: "Band") -> "Band":
        """Both together; the errors are taken to go the same way, which is the careful choice."""
        return Band(self.value + other.value, self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> "Band":
        """`factor` (0 or more) of it, with the same relative error."""
        return Band(self.value * factor, self.low * factor, self.high * factor)


def exactly(value: float) -> Band:
    """A number that is counted, not estimated."""
    return Band(value, value, value)


def about(value: float, low: float, high: float) -> Band:
    """`value`, give or take: the factors `low` (at most 1) and `high` (at least 1) bound it."""
    return Band(value, value * low, value * high)


@dataclass(frozen=True)
class Term:
    """One part of a sum, by the name that messages call it."""

    name: str
    amount: Band


def total(terms: Iterable[Term]) -> Band:
    """All terms together."""
    whole = exactly(0.0)
    for term in terms:
        whole = whole + term.amount
    return whole


def largest(terms: Iterable[Term]) -> Term:
    """The term with the highest expected amount."""
    return max(terms, key=lambda term: term.amount.value)
