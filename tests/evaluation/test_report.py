"""The report: every number is that of the evaluation, and the page stands alone."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from napari_mednext.errors import StorageError
from napari_mednext.evaluation import (
    CaseResult,
    Evaluation,
    LabelResult,
    Region,
    Regions,
    compare,
    evaluate,
    report,
    report_cases,
    summarise,
)
from napari_mednext.evaluation.report import report_html, summary_text, write_report
from napari_mednext.formats import save_volume
from napari_mednext.volume import Volume, VoxelGrid

VOID = {"br", "col", "img", "meta"}
GRID = VoxelGrid(
    (7, 24, 19),
    (5.0, 1.0, 1.5),
    (3.0, -20.0, 11.0),
    ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
)
REGIONS = Regions((Region("all", (1, 2), (1, 2)), Region("core", (2,), (2,))))


class Node:
    def __init__(self, tag, attributes):
        self.tag, self.attributes, self.children, self.words = tag, attributes, [], []

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag, **attributes):
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        return [
            node
            for node in self.walk()
            if node.tag == tag
            and all(node.attributes.get(key) == value for key, value in wanted.items())
        ]

    @property
    def text(self):
        parts = [p if isinstance(p, str) else p.text for p in self.words]
        return "".join(parts)

    @property
    def numbers(self):
        return [float(node.attributes["value"]) for node in self.all("data")]


class Page(HTMLParser):
    """A tree; fails where elements do not nest."""

    def __init__(self, html):
        super().__init__()
        self.root = Node("", {})
        self.open = [self.root]
        self.feed(html)
        self.close()
        assert self.open == [self.root], "an element is not closed"

    def handle_starttag(self, tag, attrs):
        assert len({key for key, _ in attrs}) == len(attrs)
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        self.open[-1].words.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].words.append(data)


def parsed(evaluation, **options):
    return Page(report_html(evaluation, **options)).root


def section(page, name):
    (found,) = page.all("section", id=name)
    return found


def rows(table):
    """Head of each row -> the cells after it."""
    return {
        row.children[0].text: row.children[1:] for row in table.all("tbody")[0].children
    }


def label(name="a", dice=0.8, state="both", value=None, volume=10.0):
    absent, lone = state == "absent", state in ("missing", "extra")
    dice = None if absent else 0.0 if lone else dice
    far = None if absent else 90.5 if lone else 3.25
    mine = 0.0 if state in ("missing", "absent") else volume * 1.1
    true = 0.0 if state in ("extra", "absent") else volume
    surface = {1.0: dice, 2.0: dice}
    percent = 100 * (mine - true) / true if true else None
    return LabelResult(
        name, value, state, dice, surface, far, mine, true, mine - true, percent
    )


def made(cases, *, title="model", **more):
    """An evaluation of results that need no files."""
    return Evaluation(title, tuple(cases), summarise(cases), **more)


def case(name, *labels, group=""):
    nowhere = Path(f"{name}.nii.gz")
    return CaseResult(name, group, nowhere, nowhere, None, tuple(labels))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Masks of two models and references on an oblique anisotropic grid, and scans."""
    root = tmp_path_factory.mktemp("masks")
    random = np.random.default_rng(5)
    for folder in ("a", "b", "true", "scans"):
        (root / folder).mkdir()
    for number in range(6):
        name = f"case <{number}> & é.nii.gz"
        true = np.zeros(GRID.shape, np.uint8)
        true[1:6, 4:20, 3:16] = 1
        true[2:5, 8:14, 6 : 9 + number] = 2
        for folder, flips in (("a", 0.06), ("b", 0.02)):
            mask = true.copy()
            wrong = random.random(true.shape) < flips * (1 + number / 3)
            mask[wrong] = random.integers(0, 3, int(wrong.sum()))
            save_volume(Volume(mask, GRID), root / folder / name)
        save_volume(Volume(true, GRID), root / "true" / name)
        scan = true * 50 + random.normal(100, 9, true.shape)
        save_volume(Volume(scan.astype(np.float32), GRID), root / "scans" / name)
    return root


@pytest.fixture(scope="module")
def evaluation(folders):
    return evaluate(
        folders / "a",
        folders / "true",
        images=folders / "scans",
        regions=REGIONS,
        other=folders / "b",
    )


@pytest.fixture(scope="module")
def html(evaluation):
    return report_html(evaluation)


@pytest.fixture(scope="module")
def page(html):
    return Page(html).root


# numbers


def test_summary_table_holds_the_numbers_of_the_evaluation(evaluation, page):
    table = section(page, "results").all("table")[0]
    keys = (
        "dice",
        "surface_dice_1mm",
        "surface_dice_2mm",
        "hd95_mm",
        "volume_error_ml",
        "volume_error_percent",
    )
    found = rows(table)
    assert set(found) == {"all", "core"}
    by_key = {(s.name, s.metric): s for s in evaluation.summaries}
    for name, (count, *cells) in found.items():
        assert count.numbers == [6]
        for key, cell in zip(keys, cells, strict=True):
            s = by_key[name, key]
            assert cell.numbers == [s.mean, s.low, s.high, s.median]
    dice = by_key["core", "dice"]
    shown = found["core"][1].text
    assert shown == (
        f"{dice.mean:.3f}[{dice.low:.3f}, {dice.high:.3f}]median {dice.median:.3f}"
    )


def test_case_tables_hold_the_numbers_of_the_evaluation(evaluation, page):
    articles = section(page, "cases").all("article")
    by_case = {case.case: case for case in evaluation.cases}
    assert len(articles) == 6
    for article in articles:
        of_case = by_case[article.all("h3")[0].text]
        found = rows(article.all("table")[0])
        assert len(found) == len(of_case.labels)
        for result in of_case.labels:
            numbers = [n for cell in found[result.name] for n in cell.numbers]
            assert numbers == [
                result.reference_ml,
                result.volume_ml,
                result.dice,
                *result.surface_dice.values(),
                result.hd95_mm,
                result.volume_error_ml,
                result.volume_error_percent,
            ]


def test_comparison_holds_the_numbers_of_the_evaluation(evaluation, page):
    tables = section(page, "comparison").all("table")
    metrics = list(dict.fromkeys(c.metric for c in evaluation.comparisons))
    means = [
        {(s.name, s.metric): s.mean for s in each.summaries}
        for each in (evaluation, evaluation.other)
    ]
    assert len(tables) == len(metrics)
    for table, metric in zip(tables, metrics, strict=True):
        found = rows(table)
        for c in evaluation.comparisons:
            if c.metric == metric:
                numbers = [n for cell in found[c.name] for n in cell.numbers]
                expected = [m[c.name, metric] for m in means]
                expected += [c.difference, c.low, c.high, c.pairs]
                expected += [p for p in (c.p_value, c.p_adjusted) if p is not None]
                assert numbers == expected


def test_differences_are_paired_by_case(evaluation, page):
    chart = section(page, "comparison").all("svg")[0]
    dots = chart.all("circle", class_="dot")
    shown = sorted(dot.all("title")[0].text for dot in dots)
    theirs = {case.case: case for case in evaluation.other.cases}
    expected = []
    for each in evaluation.cases:
        for one, two in zip(each.labels, theirs[each.case].labels, strict=True):
            text = f"{two.dice - one.dice:.4g}".replace("-", "\N{MINUS SIGN}")
            expected.append(f"{each.case}: {text}")
    assert [s.split(": ")[0] for s in shown] == [
        s.split(": ")[0] for s in sorted(expected)
    ]
    assert len(set(shown) & set(expected)) > 10  # the rest ends in other digits


def test_the_worst_case_comes_first(evaluation, page):
    titles = [a.all("h3")[0].text for a in section(page, "cases").all("article")]
    means = {
        case.case: np.mean([label.dice for label in case.labels])
        for case in evaluation.cases
    }
    assert titles == sorted(means, key=means.get)
    table = rows(section(page, "cases").all("table")[0])
    assert list(table) == titles
    assert [cells[0].numbers[0] for cells in table.values()] == pytest.approx(
        sorted(means.values())
    )


# the page stands alone


def test_nothing_is_fetched(html, page):
    for node in page.walk():
        assert node.tag not in ("script", "link", "iframe", "object", "embed", "base")
        for key, value in node.attributes.items():
            assert not key.startswith("on")
            if key in ("src", "href", "srcset", "data", "action", "poster"):
                assert value.startswith(("data:image/png;base64,", "#"))
    style = page.all("style")[0].text
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in re.sub(r"http-equiv", "", html)
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy.attributes["content"].startswith("default-src 'none'")


def test_links_have_targets_and_ids_are_unique(page):
    ids = [n.attributes["id"] for n in page.walk() if "id" in n.attributes]
    assert len(set(ids)) == len(ids)
    targets = [n.attributes["href"][1:] for n in page.all("a")]
    assert targets
    assert set(targets) <= set(ids)


def test_pictures_and_charts_have_words(page):
    images = section(page, "cases").all("img")
    assert len(images) == 6 * 3 * 2
    for image in images:
        assert re.search(
            r"(axial|coronal|sagittal) slice at [LRAPSI] [\d.]+ mm",
            image.attributes["alt"],
        )
    for chart in page.all("svg", class_="chart"):
        assert chart.attributes["role"] == "img"
        assert chart.attributes["aria-label"]
    for node in page.all("th"):
        assert node.attributes["scope"] in ("col", "row")
    assert page.all("html")[0].attributes["lang"] == "en"


def test_light_dark_and_print_are_styled(page):
    style = page.all("style")[0].text
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_what_users_must_know_is_there(evaluation, page):
    text = page.text
    assert "Research use; not a medical device." in text
    for program, version in evaluation.software.items():
        assert program in text
        assert version in text
    methods = section(page, "methods").text
    for word in ("Dice", "HD95", "bootstrap", "Wilcoxon", "Radiological convention"):
        assert word in methods
    assert "1.0, 2.0" in methods  # the tolerances


# names


def test_names_are_text(tmp_path):
    evil = """<script>alert("1")</script> & 'é' <img src=x onerror=y>"""
    shown = made(
        [case(evil, label(evil)), case("b", label(evil), group=evil)],
        title=evil,
        failures=((evil, evil),),
        settings={evil: evil, "labels": [], "list": [evil]},
        software={evil: evil},
        created=evil,
    )
    both = replace(shown, other=shown, comparisons=compare(shown.cases, shown.cases))
    path = write_report(both, tmp_path / "report.html")
    page = Page(path.read_text(encoding="utf-8")).root
    assert not page.all("script")
    assert page.all("h1")[0].text == evil
    assert page.all("title")[0].text == evil
    assert section(page, "cases").all("h3")[0].text == evil
    for image in page.all("img"):
        assert image.attributes["src"].startswith("data:")


# what is missing


def test_failures_are_named_before_all_numbers():
    shown = made([case("a", label())], failures=(("case 7", "no reference: add it"),))
    page = parsed(shown)
    (box,) = page.all("div", class_="failures")
    assert "1 case" in box.all("h3")[0].text
    assert box.all("li")[0].text == "case 7: no reference: add it"
    assert "1 case could not be evaluated." in page.all("p", class_="lead")[0].text


def test_without_any_case_the_page_says_so():
    page = parsed(made([], failures=(("a", "it is empty"), ("b", "it is empty"))))
    assert "0 cases" in page.all("p", class_="lead")[0].text
    assert [s.attributes["id"] for s in page.all("section")] == ["methods"]


def test_missing_extra_and_absent_labels_are_told_apart():
    states = ("missing", "extra", "absent", "both")
    shown = made([case(state, label(state=state)) for state in states])
    page = parsed(shown, pictures=False)
    text = page.all("p", class_="lead")[0].text
    assert "1 time the prediction lacks a label that the reference has." in text
    assert "1 time the prediction has a label that the reference lacks." in text
    counts = rows(section(page, "results").all("table")[0])["a"][0]
    assert counts.text == "31 left out1 missing1 extra"
    tables = {
        a.all("h3")[0].text: a.all("tbody")[0].children[0].children
        for a in section(page, "cases").all("article")
    }
    assert tables["missing"][-1].text == "missing in the prediction"
    assert tables["extra"][-1].text == "not in the reference"
    assert tables["absent"][-1].text == "in neither, not counted"
    assert tables["absent"][3].text == "\N{EN DASH}"
    (chart, *_) = section(page, "results").all("svg")
    assert len(chart.all("path", class_="cross")) == 2
    assert len(chart.all("circle", class_="dot")) == 1


def test_a_missing_label_does_not_squeeze_the_distances_of_the_others():
    cases = [case(f"c{i}", label()) for i in range(29)]
    cases.append(case("lost", label(state="missing")))  # 90.5 mm, the others 3.25
    shown = made(cases)
    (far,) = [s for s in shown.summaries if s.metric == "hd95_mm"]
    hd95 = section(parsed(shown, pictures=False), "results").all("svg")[3]
    ticks = [float(t.text) for t in hd95.all("text", class_="tick")]
    assert far.high * 0.5 < max(ticks) <= far.high * 1.06 < 20


def test_files_that_are_gone_leave_numbers_and_a_sentence(evaluation):
    lost = replace(evaluation.cases[0], prediction=Path("gone.nii.gz"))
    dark = replace(evaluation.cases[1], image=Path("lost.nii.gz"))
    page = parsed(replace(evaluation, cases=(lost, dark)))
    first, second = sorted(
        section(page, "cases").all("article"), key=lambda a: len(a.all("img"))
    )
    assert not first.all("img")
    assert "No pictures: " in first.text
    assert "gone.nii.gz" in first.text
    assert len(second.all("img")) == 6
    assert "Without the image: " in second.text


# sizes


def test_pictures_stay_below_their_limit(evaluation, monkeypatch):
    evaluation = replace(evaluation, cases=evaluation.cases[:3], other=None)
    sizes = [
        len(image.attributes["src"]) * 3 / 4
        for image in section(parsed(evaluation), "cases").all("img")
    ]
    limit = sum(sizes) * 0.6
    monkeypatch.setattr(report_cases, "_PICTURE_BYTES", round(limit))
    articles = section(parsed(evaluation), "cases").all("article")
    kept = [bool(a.all("img")) for a in articles]
    assert kept[0]
    assert not kept[-1]
    assert "would become too large" in articles[-1].text
    images = [i for a in articles for i in a.all("img")]
    assert 0.3 * limit < sum(len(i.attributes["src"]) for i in images) * 3 / 4 <= limit


def test_the_limit_leaves_room_for_text_below_10_mb():
    assert (
        report_cases._PICTURE_BYTES * 4 / 3 < 7.5e6
    )  # 20 cases of 118 labels need 2.2 MB of text


@pytest.mark.parametrize(("count", "chosen"), [(1, [0]), (12, list(range(12)))])
def test_few_cases_all_have_pictures(count, chosen):
    cases = [case(f"c{i}", label(dice=i / 100)) for i in range(count)]
    assert report_cases.pictured(cases) == tuple(cases[i] for i in chosen)


def test_of_many_cases_the_worst_the_middle_and_the_best_have_pictures():
    cases = [case(f"c{i:02}", label(dice=0.3 + i / 100)) for i in range(31)]
    ranked = report_cases.worst_first(cases[::-1])
    assert ranked == tuple(cases)
    chosen = report_cases.pictured(ranked)
    assert chosen == (*cases[:10], cases[15], cases[30])
    assert report_cases.pictured(ranked[:13]) == (*cases[:11], cases[12])


def test_cases_without_a_label_come_last():
    empty, bad = case("a", label(state="absent")), case("b", label(dice=0.1))
    assert report_cases.worst_first([empty, bad]) == (bad, empty)
    assert report_cases.mean_dice(empty) is None


def test_many_labels_and_cases_are_folded():
    names = [f"structure {i}" for i in range(30)]
    cases = [
        case(f"c{i}", *(label(n, 0.5 + j / 100) for j, n in enumerate(names)))
        for i in range(40)
    ]
    html = report_html(made(cases), pictures=False)
    page = Page(html).root
    results = section(page, "results")
    assert len(rows(results.all("table")[0])) == 25
    assert results.all("details")[0].all("summary")[0].text == "5 more labels"
    shown = {n for table in results.all("table") for n in rows(table)}
    assert shown == set(names)
    listed = [n for t in section(page, "cases").all("table")[:2] for n in rows(t)]
    assert listed == [c.case for c in report_cases.worst_first(cases)]
    folded = section(page, "cases").all("details")
    assert any("other 28 cases" in d.all("summary")[0].text for d in folded)
    assert len(html) < 4e6


def test_rows_of_cases_are_limited(monkeypatch):
    monkeypatch.setattr(report_cases, "_KEPT_ROWS", 20)
    cases = [case(f"c{i}", *(label(f"l{j}") for j in range(9))) for i in range(4)]
    page = parsed(made(cases), pictures=False)
    articles = section(page, "cases").all("article")
    assert [len(rows(a.all("table")[0])) for a in articles] == [9, 9, 3, 3]
    assert "6 more labels are in the JSON and CSV files" in articles[2].text


# groups and words


def test_groups_have_their_own_results():
    cases = [
        case("a", label(dice=0.5), group="scanners"),
        case("b", label(dice=0.7), group="robustness"),
        case("c", label(dice=0.9), group="robustness"),
    ]
    groups = section(parsed(made(cases), pictures=False), "groups")
    assert [h.text for h in groups.all("h3")] == [
        "scanners (1 case)",
        "robustness (2 cases)",
    ]
    means = [rows(table)["a"][1].numbers[0] for table in groups.all("table")]
    assert means == pytest.approx([0.5, 0.8])
    one = parsed(made(cases[1:]), pictures=False)
    assert "groups" not in [s.attributes["id"] for s in one.all("section")]


def test_one_case_has_numbers_but_no_charts():
    page = parsed(made([case("a", label("liver"), group="g")]), pictures=False)
    results = section(page, "results")
    assert not results.all("svg")
    assert "interval, median" not in results.text
    assert rows(results.all("table")[0])["liver"][1].numbers == [0.8]


def test_summary_in_words():
    one = made([case("a", label("liver", 0.91234))])
    assert summary_text(one) == (
        "1 case with 1 label against a reference. The mean Dice of liver is 0.912."
    )
    two = made([case("a", label("liver", 0.9), label("spleen", 0.6))])
    assert "lies between 0.600 (spleen) and 0.900 (liver)." in summary_text(two)


def against(title, change):
    """An evaluation of ten cases, and another model that differs by something."""
    mine = [case(f"c{i}", label("x", 0.5), label("y", 0.7)) for i in range(10)]
    theirs = [
        case(f"c{i}", label("x", 0.5 + change * (i + 1)), label("y", 0.7))
        for i in range(10)
    ]
    return made(
        mine,
        other=made(theirs, title=title),
        comparisons=compare(mine, theirs),
    )


def test_comparison_in_words():
    better = summary_text(against("new", 0.01))
    assert "new has a higher Dice in 1, a lower one in 0 of 2 labels" in better
    worse = summary_text(against("new", -0.01))
    assert "a higher Dice in 0, a lower one in 1 of 2 labels" in worse
    same = summary_text(against("new", 0.0))
    assert "too few to tell a difference from chance" in same
    page = parsed(against("new", 0.0), pictures=False)
    note = section(page, "comparison").all("p", class_="caption")[0].text
    assert "cannot give a p below 0.05" in note


# writing


def test_an_older_report_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("older")
    assert write_report(made([case("a", label())]), path, pictures=False) == path
    first = path.read_text(encoding="utf-8")
    assert first.startswith("<!DOCTYPE html>")

    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr(report, "report_html", fail)
    with pytest.raises(RuntimeError):
        write_report(made([]), path)
    assert path.read_text(encoding="utf-8") == first
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"report\.html"):
        write_report(made([]), tmp_path / "none" / "report.html")
