"""The best stretch of a passage, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingloom.tasks.answer import best_stretch


def test_an_answer_ends_where_it_begins_or_behind_it():
    """The best pair of all, 3 and 0, runs backwards; of those that do not, 1 to 2 sums to 5."""
    first, last = np.array([0.0, 2, 1, 9]), np.array([9.0, 1, 3, -9])
    assert best_stretch(first, last, 4) == (0, 0)
    assert best_stretch(first, np.array([-9.0, 1, 3, -9]), 4) == (1, 2)


def test_an_answer_is_no_longer_than_allowed():
    first, last = np.array([5.0, 0, 0, 1]), np.array([0.0, 0, 0, 5])
    assert best_stretch(first, last, 4) == (0, 3)
    assert best_stretch(first, last, 3) == (3, 3)


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=12),
    st.integers(1, 15),
)
def test_no_other_stretch_is_better(scores, longest):
    first, last = np.array(scores, float).T
    a, z = best_stretch(first, last, longest)
    assert 0 <= z - a < longest
    best = max(
        first[i] + last[j]
        for i in range(len(first))
        for j in range(i, min(len(first), i + longest))
    )
    assert first[a] + last[z] == pytest.approx(best)
