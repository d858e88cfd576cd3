import pytest

from lingloom.trust.draw import Series, binned, line_chart, number, ticks


def test_ticks_are_round_and_inside():
    assert ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert ticks(1.83, 2.41, 4) == [2.0, 2.2, 2.4]
    assert ticks(0, 2400, 5) == [0, 500, 1000, 1500, 2000]
    assert ticks(3, 3, 5) == [3]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1200, "1,200"),
        (39_000, "39,000"),
        (2.5, "2.5"),
        (3e-4, "3e-4"),
        (1.2e-5, "1.2e-5"),
    ],
)
def test_numbers_on_an_axis_are_short(value, shown):
    assert number(value) == shown


def test_bins_keep_mean_and_extremes():
    points = [(0, 1.0), (1, 3.0), (2, 2.0), (3, 6.0)]
    assert binned(points, 2) == [(0.5, 2.0, 1.0, 3.0), (2.5, 4.0, 2.0, 6.0)]
    assert binned(points, 9) == [(x, y, y, y) for x, y in points]


def test_a_long_stream_becomes_a_short_line_with_a_band():
    noisy = Series("train", [(i, float(i % 7)) for i in range(20_000)], "base")
    chart = line_chart([noisy], "step", "nats/token", width=400, height=200)
    assert "<polygon" in chart
    assert len(chart) < 12_000


def test_a_chart_without_points_is_nothing():
    assert line_chart([Series("train", [], "base")], "step", "nats", width=400, height=200) == ""
