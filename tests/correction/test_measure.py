"""Figures of labels: against a slow version, and at the edges of what is defined."""

import csv
import io
import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_mednext.correction import measure as measure_module
from napari_mednext.correction.measure import (
    count_differing,
    csv_text,
    measure,
    slabs,
    tsv_text,
)
from napari_mednext.errors import Cancelled, GeometryError, InputError
from napari_mednext.labels import Label, LabelSet, default_color

SPACING = (3.0, 0.9, 1.1)
NAMES = LabelSet.from_names({1: "liver", 4: "spleen"}, {1: (10, 20, 30)})


@pytest.fixture(params=[1, 2, 100], ids=lambda planes: f"{planes} planes a step")
def steps(request, monkeypatch):
    """Steps of one plane, of two, and of the whole volume."""
    monkeypatch.setattr(measure_module, "_STEP_VOXELS", request.param * 5 * 6)


def slow(labels, image, baseline, value):
    """The figures of one label, straight from their definitions."""
    mask = labels == value
    places = np.argwhere(mask)
    box = size = mean = spread = None
    if len(places):
        low, high = places.min(0), places.max(0) + 1
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        size = tuple((high - low) * SPACING)
        mean, spread = image[mask].mean(), image[mask].std()
    was = baseline == value
    return {
        "voxels": int(mask.sum()),
        "volume_mm3": pytest.approx(mask.sum() * math.prod(SPACING)),
        "volume_ml": pytest.approx(mask.sum() * math.prod(SPACING) / 1000),
        "box": box,
        "size_mm": size if size is None else pytest.approx(size),
        "mean": mean if mean is None else pytest.approx(mean),
        "spread": spread if spread is None else pytest.approx(spread, abs=1e-6),
        "added": int((mask & ~was).sum()),
        "removed": int((was & ~mask).sum()),
        "changed": int((mask ^ was).sum()),
    }


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_every_figure_is_that_of_the_slow_version(dtype, steps):
    rng = np.random.default_rng(5)
    top = 5 if dtype is np.uint8 else 900
    labels = (rng.integers(0, 5, (7, 5, 6)) * (top // 5)).astype(dtype)
    labels[2:4] = 0  # planes without any label
    baseline = np.where(rng.random(labels.shape) < 0.3, 2, labels).astype(dtype)
    image = rng.normal(40, 9, labels.shape).astype(np.float32)
    rows = measure(labels, SPACING, NAMES, image=image, baseline=baseline)
    values = {*np.unique(labels).tolist(), *np.unique(baseline).tolist(), 1, 4} - {0}
    assert [row.value for row in rows] == sorted(values)
    for row in rows:
        expected = slow(labels, image.astype(float), baseline, row.value)
        assert {name: getattr(row, name) for name in expected} == expected


def test_names_and_colours_come_from_the_table_or_the_number():
    labels = np.array([[[0, 1, 7]]], np.uint8)
    rows = {row.value: row for row in measure(labels, SPACING, NAMES)}
    assert [(r.name, r.color, r.voxels) for r in rows.values()] == [
        ("liver", (10, 20, 30), 1),
        ("spleen", default_color(4), 0),
        ("label 7", default_color(7), 1),
    ]
    absent = rows[4]
    assert (absent.box, absent.size_mm, absent.volume_mm3) == (None, None, 0)
    assert (absent.mean, absent.spread, absent.added, absent.changed) == (None,) * 4


def test_a_label_that_was_wholly_removed_is_still_listed():
    labels, baseline = np.zeros((2, 1, 3), np.uint8), np.full((2, 1, 3), 9, np.uint16)
    (row,) = measure(labels, SPACING, LabelSet(), baseline=baseline)
    assert (row.value, row.voxels, row.added, row.removed) == (9, 0, 0, 6)
    assert row.changed == 6


def test_a_small_spread_far_from_zero_keeps_its_digits(steps):
    labels = np.ones((9, 5, 6), np.uint8)
    image = 1e9 + np.random.default_rng(0).normal(0, 0.5, labels.shape)
    (row,) = measure(labels, SPACING, LabelSet(), image=image)
    assert row.spread == pytest.approx(image.std(), rel=1e-6)
    assert row.mean == pytest.approx(image.mean(), rel=1e-12)


def test_greys_that_are_no_number_are_not_counted(steps):
    labels = np.array([1, 1, 1, 2, 2] * 6, np.uint8).reshape(1, 5, 6)
    image = np.zeros(labels.shape)
    image[labels == 2] = np.nan
    image.flat[[0, 1, 2]] = np.inf, 3.0, 5.0
    one, two = measure(labels, SPACING, LabelSet(), image=image)
    greys = image[(labels == 1) & np.isfinite(image)]
    assert (one.voxels, two.voxels) == (18, 12)
    assert one.mean == pytest.approx(greys.mean())
    assert one.spread == pytest.approx(greys.std())
    assert (two.mean, two.spread) == (None, None)


def test_turned_views_are_measured_as_they_lie():
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[0, 1:3, 2] = 1
    (row,) = measure(labels[::-1, :, ::-1], SPACING, LabelSet())
    assert row.box == (slice(3, 4), slice(1, 3), slice(3, 4))
    assert row.size_mm == pytest.approx((3.0, 1.8, 1.1))
    assert not labels[1:].any()


def test_steps_cover_every_plane_once(steps):
    for planes in (1, 4, 7):
        parts = list(slabs((planes, 5, 6)))
        seen = [z for part in parts for z in range(part.start, part.stop)]
        assert seen == list(range(planes))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_changes_balance(data):
    shape = data.draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=5))
    arrays = hnp.arrays(np.uint8, shape, elements=st.integers(0, 3))
    first, second = data.draw(arrays), data.draw(arrays)
    ours, theirs = count_differing(first, second)
    assert ours.sum() == theirs.sum() == (first != second).sum()
    counts = [np.bincount(each.ravel(), minlength=4) for each in (first, second)]
    np.testing.assert_array_equal((ours - theirs)[:4], counts[0] - counts[1])
    rows = measure(first, SPACING, LabelSet(), baseline=first)
    assert all(row.changed == 0 for row in rows)
    assert sum(row.voxels for row in rows) == np.count_nonzero(first)


def test_tables_hold_the_figures_and_leave_open_what_is_not_defined():
    labels = np.zeros((2, 3, 4), np.uint8)
    labels[1, 1:3, 2] = 1
    names = LabelSet(
        (Label(1, 'left, "big"\tlobe', (1, 2, 3)), Label(2, "b", (0,) * 3))
    )
    image = np.where(labels, 7.5, 0)
    rows = measure(labels, SPACING, names, image=image, baseline=labels * 0)
    text = csv_text(rows)
    assert text.splitlines()[0] == (
        "value,name,voxels,volume_ml,volume_mm3,z_first,z_last,y_first,y_last,x_first,"
        "x_last,z_mm,y_mm,x_mm,mean,sd,changed,added,removed"
    )
    assert text.splitlines()[2] == "2,b,0,0.000000,0.000,,,,,,,,,,,,0,0,0"
    for written, delimiter in ((text, ","), (tsv_text(rows), "\t")):
        first = next(csv.DictReader(io.StringIO(written), delimiter=delimiter))
        assert list(first.values()) == [
            *("1", 'left, "big"\tlobe', "2", "0.005940", "5.940"),
            *("1", "1", "1", "2", "2", "2", "3.000", "1.800", "1.100"),
            *("7.5", "0", "2", "2", "0"),
        ]


@pytest.mark.parametrize("what", ["image", "baseline"])
def test_refuses_another_shape(what):
    labels = np.zeros((2, 3, 4), np.uint8)
    with pytest.raises(GeometryError, match=r"\(2, 3, 5\) must have .* \(2, 3, 4\)"):
        measure(labels, SPACING, NAMES, **{what: np.zeros((2, 3, 5), np.uint8)})


@pytest.mark.parametrize(
    "spacing", [(1, 1), (1, 0, 1), (1, math.nan, 1), (math.inf,) * 3]
)
def test_refuses_impossible_spacings(spacing):
    with pytest.raises(InputError, match="three positive lengths in mm, got"):
        measure(np.zeros((2, 3, 4), np.uint8), spacing, NAMES)


def test_refuses_what_is_no_label_map():
    with pytest.raises(GeometryError, match=r"axes z, y, x, got the shape \(3, 4\)"):
        measure(np.zeros((3, 4), np.uint8), SPACING, NAMES)
    with pytest.raises(InputError, match=r"whole label values .* from -1 to 0"):
        measure(np.array([[[-1, 0]]]), SPACING, NAMES)


def test_stops_when_asked():
    flag = threading.Event()
    flag.set()
    with pytest.raises(Cancelled, match="cancelled"):
        measure(np.zeros((2, 3, 4), np.uint8), SPACING, NAMES, cancel=flag)
