"""What correcting costs is added up per case and model version."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from napari_mednext.errors import InputError
from napari_mednext.study import (
    ActivityClock,
    EffortRow,
    Study,
    effort_csv,
    summarise_effort,
)
from tests.study.makers import make_study


class Hands:
    """A clock that is moved by hand."""

    time = 100.0

    def __call__(self):
        return self.time


class TestClock:
    def test_idle_time_counts_up_to_the_limit(self):
        hands = Hands()
        clock = ActivityClock(60.0, hands)
        assert clock.seconds == 0
        for gap, total in ((0, 0), (5, 5), (60, 65), (61, 125), (1e6, 185), (0, 185)):
            hands.time += gap
            clock.event()
            assert clock.seconds == total

    def test_time_before_the_first_event_does_not_count(self):
        hands = Hands()
        clock = ActivityClock(now=hands)
        hands.time += 30
        clock.event()
        assert clock.seconds == 0

    def test_pause(self):
        hands = Hands()
        clock = ActivityClock(now=hands)
        clock.pause()
        clock.event()
        hands.time += 7
        clock.pause()
        hands.time += 50
        clock.event()
        hands.time += 2
        clock.event()
        assert clock.seconds == 9

    def test_taking_loses_nothing(self):
        hands = Hands()
        clock = ActivityClock(now=hands)
        taken = 0.0
        for i in range(20):
            clock.event()
            if i % 3 == 0:
                taken += clock.take()
            hands.time += 4
        assert taken + clock.seconds == 19 * 4
        assert clock.take() + clock.take() == 19 * 4 - taken

    def test_a_clock_that_runs_backwards(self):
        hands = Hands()
        clock = ActivityClock(now=hands)
        clock.event()
        hands.time -= 40
        clock.event()
        assert clock.seconds == 0


class TestLedger:
    def test_effort_adds_up(self, tmp_path):
        with make_study(tmp_path / "s") as study:
            code = study.model_code("m", "abc")
            study.add_effort("b", model=code, seconds=30, strokes=2, voxels_changed=100)
            study.add_effort("a", seconds=5.5)
            before = datetime.now(UTC)
            study.add_effort(
                "b",
                model=code,
                seconds=60,
                strokes=1,
                dice={2: 0.5, 9: 0.9, 11: float("nan")},
            )
            study.add_effort("b", model=code, strokes=1)
        with Study.open(tmp_path / "s") as study:
            first, second = study.effort()
        assert first == EffortRow("a", "", "", 5.5, 0, 0, {}, None)
        assert first.mean_dice is None
        assert (second.case, second.model, second.version) == ("b", "m", "abc")
        assert (second.seconds, second.strokes, second.voxels_changed) == (90, 4, 100)
        assert second.dice == {2: 0.5, 9: 0.9}
        assert second.mean_dice == pytest.approx(0.7)
        assert before <= second.accepted_at <= datetime.now(UTC)

    def test_accepted_without_a_prediction(self, tmp_path):
        with make_study(tmp_path / "s") as study:
            study.add_effort("a", dice={})
            (row,) = study.effort()
            assert row.accepted_at is not None
            assert row.mean_dice is None

    def test_wrong_effort(self, tmp_path):
        with make_study(tmp_path / "s") as study:
            for wrong in ({"seconds": -1}, {"strokes": -1}, {"voxels_changed": -1}):
                with pytest.raises(InputError, match="effort must not be negative"):
                    study.add_effort("a", **wrong)
            with pytest.raises(InputError, match="the case that is asked for, got 'x'"):
                study.add_effort("x", seconds=1)
            assert study.effort() == ()


def row(case, version, minutes, *, dice=None, day=None, strokes=0, voxels=0):
    accepted = None if day is None else datetime(2025, 3, 1, tzinfo=UTC)
    if accepted is not None:
        accepted += timedelta(days=day)
    return EffortRow(
        case, "m", version, minutes * 60, strokes, voxels, dice or {}, accepted
    )


def test_summary_is_a_learning_curve():
    rows = [
        row("d", "v2", 2, dice={1: 0.9}, day=5),
        row("a", "v1", 10, dice={1: 0.6, 2: 0.8}, day=2, strokes=40, voxels=100),
        row("b", "v1", 4, dice={1: 0.5}, day=3, strokes=20, voxels=50),
        row("c", "v1", 7, day=4),
        row("e", "v1", 1000),
    ]
    first, second = summarise_effort(rows)
    assert (first.model, first.version, first.cases) == ("m", "v1", 3)
    assert (first.mean_minutes, first.median_minutes) == (7, 7)
    assert (first.mean_strokes, first.mean_voxels_changed) == (20, 50)
    assert first.mean_dice == pytest.approx(0.6)
    assert (second.version, second.mean_minutes, second.mean_dice) == ("v2", 2, 0.9)
    assert summarise_effort([row("c", "v1", 7, day=1)])[0].mean_dice is None
    assert summarise_effort(rows[4:]) == ()


def test_csv():
    rows = [
        row("a", "v1", 1.5, dice={2: 0.5, 9: 1.0}, day=0, strokes=3, voxels=7),
        row("b", "v2", 0.25),
    ]
    text = effort_csv(rows, {2: "liver, left"})
    header, first, second = csv.reader(io.StringIO(text))
    assert header == [
        "case",
        "model",
        "version",
        "minutes",
        "strokes",
        "voxels_changed",
        "mean_dice",
        "accepted_at",
        "dice liver, left",
        "dice label 9",
    ]
    assert first == [
        *("a", "m", "v1", "1.500", "3", "7", "0.7500"),
        *("2025-03-01T00:00:00+00:00", "0.5000", "1.0000"),
    ]
    assert second == ["b", "m", "v2", "0.250", "0", "0", "", "", "", ""]
    assert effort_csv([]).count("\n") == 1
