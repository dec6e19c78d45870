"""A training as one page that needs nothing from elsewhere: no script, no network.

The page is a pure function of the history of the training; while the training runs, the
page asks the browser to read it again now and then.
"""

from __future__ import annotations

import base64
import time
from html import escape
from typing import TYPE_CHECKING

from napari_mednext.training.curves import Curve, line_chart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_mednext.training.history import History

__all__ = ["duration", "training_page"]

#: Seconds after which a browser reads the page of a running training again.
REFRESH_S = 20

#: For classes without a colour of their own.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#785ef0")

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --soft: #6b6b70; --line: #d9d9de;
  --paper: #ffffff; --blue: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --soft: #a0a0a8;
  --line: #3a3a40; --paper: #17171a; --blue: #56b4e9; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 1120px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.05rem; margin: 0; }
p { margin: .2rem 0 1rem; } .soft { color: var(--soft); }
.charts { display: grid; gap: 1.6rem 2rem;
  grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); }
.wide { grid-column: 1 / -1; }
svg { width: 100%; height: auto; } svg path { stroke-width: 2; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .faint { opacity: .35; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
img { max-width: 100%; image-rendering: pixelated; }
progress { width: 100%; height: .6rem; accent-color: var(--blue); }
table { border-collapse: collapse; } td, th { padding: .15rem 1rem .15rem 0;
  text-align: left; font-weight: normal; } td.number { text-align: right;
  font-variant-numeric: tabular-nums; } th { color: var(--soft); }
i { display: inline-block; width: .8em; height: .8em; border-radius: 2px;
  margin-right: .5em; }
"""


def training_page(
    history: History,
    *,
    title: str = "Training",
    colors: Mapping[str, str] | None = None,
    picture: bytes | None = None,
) -> str:
    """Return the page of a training as HTML.

    Parameters
    ----------
    history : History
        What is known of the training.
    title : str
        What is trained.
    colors : mapping of class to CSS colour, optional
        Classes that are missing get colours from a fixed list.
    picture : bytes, optional
        A PNG of examples: synthetic scan, target and prediction.

    Returns
    -------
    str
        A whole document.
    """
    given = {
        name: (colors or {}).get(name, _COLORS[i % len(_COLORS)])
        for i, name in enumerate(history.classes)
    }
    refresh = (
        f'<meta http-equiv="refresh" content="{REFRESH_S}">'
        if history.state in ("waiting", "running")
        else ""
    )
    written = time.strftime("%Y-%m-%d %H:%M:%S")
    notes = "".join(f"<p>{escape(note)}</p>" for note in history.notes)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"{refresh}<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p>{escape(headline(history))}"
        f' <span class="soft">written {written}</span></p>'
        f'<progress max="{max(history.total, 1)}" value="{history.step}"></progress>'
        f'{notes}<div class="charts">{_charts(history, given)}'
        f"{_examples(picture)}</div>"
        f"{_settings(history)}</body></html>"
    )


def headline(history: History) -> str:
    """Return where a training stands, in one line."""
    parts = [f"{history.state}: step {history.step} of {history.total}"]
    if history.points:
        parts.append(f"loss {history.smoothed()[-1]:.3f}")
    if (speed := history.seconds_a_step) is not None:
        parts.append(f"{speed:.2g} s a step")
    if (left := history.remaining_s) is not None:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration in words, two units at most."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, last = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {last:02d} s" if minutes else f"{last} s"


def _charts(history: History, colors: Mapping[str, str]) -> str:
    """Return the three charts, each with a heading."""
    end = float(history.total)
    steps = [float(p.step) for p in history.points]
    losses = [p.loss for p in history.points]
    loss = line_chart(
        [
            Curve(
                "loss", list(zip(steps, losses, strict=True)), "var(--blue)", faint=True
            ),
            Curve(
                "loss, smoothed",
                list(zip(steps, history.smoothed(), strict=True)),
                "var(--blue)",
            ),
        ],
        label="loss over steps",
        x_end=end,
    )
    rates = [(float(p.step), p.rate) for p in history.points if p.rate is not None]
    rate = line_chart(
        [Curve("learning rate", rates, "var(--blue)")],
        label="learning rate over steps",
        x_end=end,
    )
    curves = [
        Curve(
            name,
            [
                (float(v.step), v.dice[name])
                for v in history.validations
                if name in v.dice
            ],
            color,
        )
        for name, color in colors.items()
    ]
    dice = line_chart(
        curves, label="Dice of every class over steps", x_end=end, y_range=(0.0, 1.0)
    )
    return (
        f"<section><h2>Loss</h2>{loss}</section>"
        f"<section><h2>Learning rate</h2>{rate}</section>"
        "<section><h2>Dice on synthetic scans of held-out maps</h2>"
        f"{dice}</section><section>{_dice_table(history, colors)}</section>"
    )


def _dice_table(history: History, colors: Mapping[str, str]) -> str:
    """Return the last validation and its change; also the legend of the chart."""
    last = history.last_dice()
    if not last:
        return '<h2>Classes</h2><p class="soft">no validation yet</p>'
    rows = "".join(
        f'<tr><td><i style="background:{escape(colors[name])}"></i>{escape(name)}</td>'
        f'<td class="number">{value:.3f}</td><td class="number">'
        f"{'' if change is None else f'{change:+.3f}'}</td></tr>"
        for name, (value, change) in last.items()
    )
    step = history.validations[-1].step
    return (
        f"<h2>Classes after step {step}</h2><table><tr><th></th><th>Dice</th>"
        f"<th>change</th></tr>{rows}</table>"
    )


def _examples(picture: bytes | None) -> str:
    if picture is None:
        return ""
    data = base64.b64encode(picture).decode("ascii")
    return (
        '<section class="wide"><h2>Held-out maps: synthetic scan, target, prediction'
        f'</h2><img alt="examples" src="data:image/png;base64,{data}"></section>'
    )


def _settings(history: History) -> str:
    if not history.settings:
        return ""
    rows = "".join(
        f"<tr><th>{escape(str(k))}</th><td>{escape(str(v))}</td></tr>"
        for k, v in history.settings.items()
    )
    return (
        f"<details><summary>Settings, on {escape(history.device)}</summary>"
        f"<table>{rows}</table></details>"
    )
