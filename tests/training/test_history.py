"""The history is a pure function of the events, and so is what is drawn of it."""

import dataclasses
import itertools
import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from napari_mednext.errors import InputError, StorageError
from napari_mednext.settings.from_labels import FromLabelsSettings
from napari_mednext.training.curves import Curve, line_chart
from napari_mednext.training.examples import examples_picture
from napari_mednext.training.history import History, read_events
from napari_mednext.training.page import duration, headline, training_page
from napari_mednext.training.run_folder import RunFolder
from napari_mednext.training.schedule import Speed, fitted, learning_rate, mean_decay
from napari_mednext.training.validation import Example


def start(step=0, **more):
    return {
        "event": "start",
        "step": step,
        "steps": 100,
        "device": "cpu",
        "settings": {"validate_every": 50, "seed": 3},
        **more,
    }


def step(number, loss=1.0, seconds=2.0, **more):
    rate = more.pop("rate", 1e-3)
    return {
        "event": "step",
        "step": number,
        "loss": loss,
        "seconds": seconds,
        "rate": rate,
    }


def validation(number, **dice):
    return {"event": "validation", "step": number, "dice": dice, "seconds": 6.0}


class TestHistory:
    def test_a_run(self):
        history = History.of(
            [start(), step(10), step(20), validation(20, a=0.5), {"event": "strange"}]
        )
        assert (history.state, history.step, history.total) == ("running", 20, 100)
        # 80 steps of 2 s, and a validation of 6 s every 50.
        assert history.remaining_s == pytest.approx(80 * 2 + 80 / 50 * 6)
        assert history.last_dice() == {"a": (0.5, None)}
        history.add(validation(40, a=0.4, b=0.9))
        assert history.last_dice() == {
            "a": (0.4, pytest.approx(-0.1)),
            "b": (0.9, None),
        }
        assert history.classes == ("a", "b")
        history.add({"event": "end", "step": 40, "state": "stopped"})
        assert history.remaining_s is None

    def test_an_empty_one(self):
        history = History()
        assert (history.state, history.remaining_s, history.smoothed()) == (
            "waiting",
            None,
            [],
        )
        assert history.last_dice() == {}

    def test_steps_that_are_repeated_count_once(self):
        lost = [step(60, 5.0), validation(60, a=0.1), step(70, 5.0)]
        history = History.of(
            [start(), step(50), validation(50, a=0.5), *lost, start(50), step(60, 2.0)]
        )
        assert [p.step for p in history.points] == [50, 60]
        assert history.points[-1].loss == 2.0
        assert [v.step for v in history.validations] == [50]
        # Also where the first attempt did not say that it began.
        history = History.of([start(), step(50), step(60, 5.0), step(50, 3.0)])
        assert [p.loss for p in history.points] == [3.0]

    def test_smoothing_has_no_bias(self):
        history = History.of([start(), *(step(i, 4.0) for i in range(1, 30))])
        assert history.smoothed() == pytest.approx([4.0] * 29)
        history.add(step(30, 2.0))
        weight = 1 - 0.9**30
        assert history.smoothed()[-1] == pytest.approx(4 - 2 * 0.1 / weight)

    def test_older_logs_have_no_rate(self):
        event = step(10)
        del event["rate"]
        assert History.of([event]).points[0].rate is None

    def test_logs_may_be_cut_short(self, tmp_path):
        files = RunFolder(tmp_path / "new")
        assert files.read_events() == []
        files.add_event(step(10))
        with files.events.open("a") as log:
            log.write('{"event": "ste')
        files.add_event(step(20))
        assert [e["step"] for e in read_events(files.events)] == [10, 20]
        assert len(files.events.read_text().splitlines()) == 3

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError, match="folder of a training must be made"):
            RunFolder(tmp_path / "file")


class Reader(HTMLParser):
    """Collects tags, links out of the page and text."""

    def __init__(self):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href")]
        if ("http-equiv", "refresh") in attrs:
            self.tags.append("refresh")

    def handle_data(self, data):
        self.text += data


def read(page):
    reader = Reader()
    reader.feed(page)
    return reader


class TestPage:
    def test_it_shows_the_run_and_needs_nothing_else(self):
        history = History.of(
            [
                start(notes=["mind <this>"]),
                step(10, 2.0),
                step(20, 1.0),
                validation(20, **{"grey & white": 0.5}),
            ]
        )
        page = training_page(
            history, title="A <b>", colors={"grey & white": "#123456"}, picture=b"png"
        )
        seen = read(page)
        assert "refresh" in seen.tags
        assert "script" not in seen.tags
        assert "link" not in seen.tags
        assert seen.links == ["data:image/png;base64,cG5n"]
        assert seen.tags.count("svg") == 3
        assert "#123456" in page
        for text in ("A <b>", "mind <this>", "grey & white", "0.500", "step 20 of 100"):
            assert text in seen.text

    @pytest.mark.parametrize("state", ["done", "stopped", "failed"])
    def test_it_rests_at_the_end(self, state):
        history = History.of([start(), {"event": "end", "step": 5, "state": state}])
        page = training_page(history)
        assert "refresh" not in read(page).tags
        assert f"{state}: step 5 of 100" in page

    def test_an_empty_history_has_a_page(self):
        assert "no validation yet" in training_page(History())

    def test_the_headline(self):
        history = History.of([start(), step(50, 1.25, seconds=3.0)])
        assert headline(history) == (
            "running: step 50 of 100, loss 1.250, 3 s a step, 2 min 30 s left"
        )

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (0.4, "0 s"),
            (59.6, "1 min 00 s"),
            (3599.6, "1 h 00 min"),
            (7380, "2 h 03 min"),
        ],
    )
    def test_durations(self, seconds, words):
        assert duration(seconds) == words


class TestChart:
    def places(self, svg):
        """Return the points of every curve, in SVG units."""
        root = ET.fromstring(svg)
        curves = [e for e in root if e.get("stroke")]
        return [
            [tuple(map(float, p.split())) for p in e.get("d")[1:].split("L")]
            for e in curves
        ]

    def test_points_lie_where_their_values_say(self):
        svg = line_chart(
            [Curve("a", [(0, 0.0), (50, 0.5), (100, 1.0)], "red")],
            label="x < y",
            x_end=100,
            y_range=(0.0, 1.0),
        )
        (low, middle, high) = self.places(svg)[0]
        assert low[0] < middle[0] < high[0]
        assert middle[0] == pytest.approx((low[0] + high[0]) / 2, abs=0.1)
        assert middle[1] == pytest.approx((low[1] + high[1]) / 2, abs=0.1)
        assert high[1] < low[1]  # SVG's y runs down
        ticks = {e.text for e in ET.fromstring(svg) if e.tag.endswith("text")}
        assert {"0", "0.2", "1", "100"} <= ticks

    def test_what_is_not_finite_is_left_out(self):
        points = [(1, 2.0), (2, float("nan")), (3, float("inf")), (4, 1.0)]
        svg = line_chart([Curve("a", points, "red")], label="", x_end=4)
        assert len(self.places(svg)[0]) == 2

    def test_many_points_are_thinned_and_the_last_one_stays(self):
        points = [(i, float(i)) for i in range(5000)]
        svg = line_chart([Curve("a", points, "red")], label="", x_end=4999)
        (places,) = self.places(svg)
        assert len(places) <= 600
        whole = line_chart([Curve("a", points[-1:], "red")], label="", x_end=4999)
        dot = next(e for e in ET.fromstring(whole) if e.tag.endswith("circle"))
        assert float(dot.get("cx")) == places[-1][0]

    @pytest.mark.parametrize("y", [0.0, 5.0, 1e-9, -3.0])
    def test_a_flat_line_has_an_axis(self, y):
        svg = line_chart([Curve("a", [(0, y), (9, y)], "red")], label="", x_end=9)
        assert self.places(svg)

    def test_no_points_at_all(self):
        ET.fromstring(line_chart([Curve("a", [], "red")], label="", x_end=0))


def test_examples_stand_head_up_and_in_their_colours():
    scan = np.zeros((3, 60, 40), np.float32)
    scan[:, -10:, :5] = 1  # front, left
    target = np.zeros((3, 60, 40), np.uint8)
    target[1, -10:, :5] = 2
    target[0, 0, 0] = 255
    prediction = np.zeros_like(target)
    example = Example(scan, target, prediction)
    png = examples_picture([example, example], {1: (0, 0, 0), 2: (255, 0, 0)})
    picture = np.asarray(Image.open(BytesIO(png)))
    factor = 4  # 240 pixels for 60 rows
    assert picture.shape == (factor * (60 + 6 + 60), factor * (40 + 6 + 40 + 6 + 40), 3)
    thin = picture[::factor, ::factor].astype(int)
    assert (thin[2, 2] == 255).all()  # bright in the scan
    red = thin[2, 46 + 2]
    assert red[0] > 250
    assert max(red[1:]) < 110
    assert (thin[2, 92 + 2] == 255).all()  # predicted as nothing
    assert (thin[40, 2] == 0).all()


class TestSchedule:
    def test_rates_rise_and_fall(self, settings):
        settings = dataclasses.replace(
            settings, steps=100, warmup_steps=10, learning_rate=2.0**-7
        )
        rates = [learning_rate(settings, i) for i in range(100)]
        assert rates[0] == pytest.approx(2.0**-7 / 10)
        assert rates[9] == max(rates) == 2.0**-7
        assert rates[55] == pytest.approx(2.0**-7 * 0.5**0.9)
        assert all(a < b for a, b in itertools.pairwise(rates[:10]))
        assert all(a > b for a, b in itertools.pairwise(rates[10:]))
        assert min(rates) > 0

    def test_the_mean_forgets_the_first_weights(self, settings):
        decays = [mean_decay(settings, i) for i in range(20_000)]
        assert decays[0] == 0.1
        assert decays == sorted(decays)
        assert decays[-1] == settings.ema_decay

    @pytest.mark.parametrize("seconds", [300.0, 1500.0, 40_000.0])
    def test_a_fitted_run_ends_in_time(self, seconds):
        settings = FromLabelsSettings(validate_every=100)
        speed = Speed(step=1.7, validation=9.0)
        steps = fitted(settings, speed, seconds).steps

        def takes(n):
            return n * speed.step + (n // 100 + 1) * speed.validation

        assert takes(steps) <= 0.95 * seconds
        assert takes(steps + 8) > 0.95 * seconds
        warmup = fitted(settings, speed, seconds).warmup_steps
        assert warmup == min(150, steps // 10)

    def test_too_little_time_is_a_sentence(self, settings):
        with pytest.raises(
            InputError, match=r"an update takes 3 s here.* 20 s are left"
        ):
            fitted(settings, Speed(3.0, 1.0), 20.0)


def test_events_are_json(tmp_path, maps, table, settings):
    from napari_mednext.training.from_labels import TrainingRun

    told = []
    run = TrainingRun(tmp_path / "run", maps, table, settings, on_event=told.append)
    run.run()
    files = RunFolder(tmp_path / "run")
    assert json.loads(json.dumps(told)) == told == read_events(files.events)
    assert History.of(told) == run.history
    assert [e["event"] for e in told] == [
        "start", "validation", "step", "validation", "end",
    ]  # fmt: skip
    assert run.history.state == "done"
    page = files.page.read_text()
    assert "done: step 6 of 6" in page
    assert "data:image/png;base64" in page
    written = {
        files.checkpoint,
        files.events,
        files.examples,
        files.settings,
        files.page,
    }
    assert set(files.path.iterdir()) == written
