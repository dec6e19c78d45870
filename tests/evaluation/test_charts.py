"""Charts: every mark stands where its number says, and nothing escapes its element."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from napari_mednext.evaluation.charts import (
    Strip,
    agreement_chart,
    number_text,
    strip_chart,
    ticks,
)
from napari_mednext.evaluation.markup import Markup, join, tag

POINTS = [("a", 0.62, False), ("b", 0.7, False), ("c", 0.95, False)]


def parsed(chart):
    # HTML gives svg its name space; here it has none.
    return ElementTree.fromstring(chart)


def of_class(chart, name, kind="*"):
    return [
        each
        for each in parsed(chart).iter()
        if (kind == "*" or each.tag == kind) and each.get("class") == name
    ]


def axis_of(chart):
    """From pixels to values, by the ticks of a strip chart."""
    marks = [
        (float(each.get("x")), float(each.text.replace("\N{MINUS SIGN}", "-")))
        for each in of_class(chart, "tick")
    ]
    slope, offset = np.polyfit(*np.transpose(marks), 1)
    return lambda x: slope * float(x) + offset


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.5, 1), (-3.7, 12), (1e-4, 2e-4), (-2500, 900)]
)
@pytest.mark.parametrize("wanted", [3, 5, 8])
def test_ticks_are_round_and_inside(low, high, wanted):
    found = ticks(low, high, wanted)
    steps = np.diff(found)
    assert low - 1e-9 <= min(found)
    assert max(found) <= high + 1e-9
    np.testing.assert_allclose(steps, steps[0])
    mantissa = steps[0] / 10 ** np.floor(np.log10(steps[0]) + 1e-9)
    assert round(mantissa, 6) in (1, 2, 5)
    assert wanted / 3 <= len(found) <= wanted + 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (-3, "\N{MINUS SIGN}3"),
        (1234.5678, "1235"),
        (0.00012346, "0.0001235"),
        (None, "\N{EN DASH}"),
    ],
)
def test_numbers_for_people(value, text):
    assert number_text(value) == text


def test_dots_mean_and_interval_stand_at_their_values():
    strips = [Strip("liver", POINTS, 0.757, 0.64, 0.9), Strip("none", [], None)]
    chart = strip_chart(strips, title="Dice", axis="Dice", limits=(0.5, 1.0))
    value = axis_of(chart)
    dots = of_class(chart, "dot")
    assert [value(d.get("cx")) for d in dots] == pytest.approx(
        [v for _, v, _ in POINTS], abs=1e-3
    )
    assert [d.find("title").text for d in dots] == ["a: 0.62", "b: 0.7", "c: 0.95"]
    (mean,) = of_class(chart, "mean")
    left = float(re.match(r"M([\d.]+) ", mean.get("d"))[1])
    size = float(re.search(r"l([\d.]+) ", mean.get("d"))[1])
    assert value(left + size) == pytest.approx(0.757, abs=1e-3)
    (interval,) = of_class(chart, "interval")
    low, high = re.match(r"M([\d.]+) [\d.]+H([\d.]+)", interval.get("d")).groups()
    assert (value(low), value(high)) == pytest.approx((0.64, 0.9), abs=1e-3)
    rows = [each.get("y") for each in of_class(chart, "name")]
    assert float(rows[0]) < float(rows[1])


def test_values_beyond_the_axis_are_drawn_at_its_end():
    strips = [Strip("lesion", [("a", 312.0, True), ("b", 4.0, False)], 158.0)]
    chart = strip_chart(strips, title="HD95", axis="mm", limits=(0.0, 10.0))
    value = axis_of(chart)
    (cross,) = of_class(chart, "cross")
    at = float(re.match(r"M([\d.]+) ", cross.get("d"))[1]) + 3
    assert value(at) == pytest.approx(10.0, abs=0.05)
    assert cross.find("title").text == "a: 312"
    assert len(of_class(chart, "dot")) == 1


def test_many_dots_are_one_path_with_all_of_them():
    values = np.linspace(0.2, 0.9, 500)
    points = [(f"case {i}", float(v), i % 100 == 0) for i, v in enumerate(values)]
    chart = strip_chart(
        [Strip("x", points, 0.5)], title="t", axis="a", limits=(0.0, 1.0)
    )
    (dots,), (crosses,) = of_class(chart, "dots"), of_class(chart, "cross")
    value = axis_of(chart)
    at = re.findall(r"M([\d.]+) [\d.]+h0", dots.get("d"))
    expected = [v for _, v, marked in points if not marked]
    np.testing.assert_allclose([value(x) for x in at], expected, atol=2e-3)
    assert crosses.get("d").count("M") == 5
    assert len(chart) < 12_000


def test_a_chart_of_equal_values_or_none_has_an_axis():
    same = strip_chart(
        [Strip("x", [("a", 0.0, False), ("b", 0.0, False)], 0.0)], title="t", axis="a"
    )
    assert len(of_class(same, "tick")) >= 2
    empty = strip_chart([Strip("x", [], None)], title="t", axis="a", zero=True)
    assert parsed(empty).find("desc").text == "no case counts"


def test_zero_is_marked_where_differences_are_shown():
    strips = [Strip("x", [("a", 0.1, False), ("b", 0.3, False)], 0.2)]
    chart = strip_chart(strips, title="t", axis="a", zero=True)
    (zero,) = of_class(chart, "zero")
    assert axis_of(chart)(zero.get("x1")) == pytest.approx(0, abs=1e-3)


def test_agreement_after_bland_and_altman():
    random = np.random.default_rng(3)
    true = random.uniform(50, 90, 12)
    guess = true + random.normal(3, 2, 12)
    points = [(f"c{i}", *pair) for i, pair in enumerate(zip(guess, true, strict=True))]
    chart = agreement_chart(points, title="liver")
    gaps = guess - true
    bias, spread = gaps.mean(), gaps.std(ddof=1)
    ends = (bias - 1.96 * spread, bias + 1.96 * spread)
    y_marks = [
        (float(t.get("y")) - 4, float(t.text.replace("\N{MINUS SIGN}", "-")))
        for t in of_class(chart, "tick end")
    ]
    slope, offset = np.polyfit(*np.transpose(y_marks), 1)
    lines = [
        slope * float(of_class(chart, name)[0].get("y1")) + offset
        for name in ("bias", "limit low", "limit high", "zero")
    ]
    assert lines == pytest.approx([bias, *ends, 0.0], abs=0.05)
    value = axis_of(chart.replace("tick end", "other"))
    dots = of_class(chart, "dot")
    np.testing.assert_allclose(
        [value(d.get("cx")) for d in dots], (guess + true) / 2, atol=0.1
    )
    np.testing.assert_allclose(
        [slope * float(d.get("cy")) + offset for d in dots], gaps, atol=0.05
    )
    text = parsed(chart).find("desc").text
    assert f"mean difference {number_text(bias, 3)} mL" in text


def test_two_cases_have_no_limits_of_agreement():
    chart = agreement_chart([("a", 5.0, 4.0), ("b", 5.0, 4.0)], title="x")
    assert not of_class(chart, "bias")
    assert "too few cases" in parsed(chart).find("desc").text


def test_names_cannot_become_markup():
    evil = '<script>"&\x00\ud800'
    strips = [Strip(evil * 3, [(evil, 0.5, False)], 0.5)]
    for chart in (
        strip_chart(strips, title=evil, axis=evil),
        agreement_chart([(evil, 1.0, 2.0)], title=evil),
    ):
        assert "<script" not in chart
        assert parsed(chart).find("title").text.endswith('<script>"&\ufffd\ufffd')
        chart.encode("utf-8")


def test_markup_escapes_text_and_attributes():
    assert tag("a", "1 < 2", href='"x&y"') == (
        '<a href="&quot;x&amp;y&quot;">1 &lt; 2</a>'
    )
    assert tag("p", tag("b", "x"), None, 3) == "<p><b>x</b>3</p>"
    assert tag("img", alt="", hidden=True, width=None, src=False) == (
        '<img alt="" hidden>'
    )
    assert tag("line", stroke_width=2, class_="x") == (
        '<line stroke-width="2" class="x"></line>'
    )
    assert join(["<", Markup("<br>")], " & ") == "&lt; &amp; <br>"
