"""Looking at what a killed session left: only the step in hand may be missing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.kill_editing.diary import checksum, read_diary, standing
from benchmarks.kill_editing.folder import CASE, case_files, open_scan
from benchmarks.kill_editing.known import Known, LossError
from napari_mednext.correction.annotation import open_annotation
from napari_mednext.correction.journal import read_journal
from napari_mednext.study import Study

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.correction.editing import Editing

__all__ = ["GRACE_S", "Autopsy", "examine"]

#: A finished step must be on disk so many seconds after its end.
GRACE_S = 1.0
_STEPS = ("edit", "undo", "redo")


@dataclass
class Autopsy:
    """What one kill met, and what it took.

    Parameters
    ----------
    during : str
        Kind of step that was cut off, "between" two steps, or "opening".
    is_saving : bool
        Whether a save was under way beside it.
    finished, lost : int
        Steps that had ended, and those of them that were not on disk yet.
    oldest_lost_s : float
        How long before the kill the oldest of these had ended.
    in_hand : str
        What became of the step in hand: "none", "lost" or "there".
    is_torn : bool
        Whether the journal ended in a record that was not whole.
    drafts : int
        Unfinished files of a save that were left.
    delays_s : list of float
        From the end of each step to its being on disk.
    walked : int
        Steps that were undone and done again.
    """

    during: str
    is_saving: bool = False
    finished: int = 0
    lost: int = 0
    oldest_lost_s: float = 0.0
    in_hand: str = "none"
    is_torn: bool = False
    drafts: int = 0
    delays_s: list[float] = field(default_factory=list)
    walked: int = 0


def examine(
    folder: Path, diary: Path, known: Known, killed_s: float, *, depth: int
) -> Autopsy:
    """Open the case again, compare it with the diary, and undo and redo its steps.

    Parameters
    ----------
    folder : Path
        Where the study is.
    diary : Path
        Of the session that was killed.
    known : Known
        What was there before it; brought up to date.
    killed_s : float
        When, on the clock of the diary.
    depth : int
        How many steps are undone and done again.

    Raises
    ------
    LossError
        If anything is missing that may not be.
    """
    lines = read_diary(diary)
    _check_session(lines, known)
    autopsy = Autopsy(_during(lines), _is_saving(lines))
    autopsy.delays_s = _delays(lines, known.last)
    journal = folder / "study" / "journal" / f"{CASE}.journal"
    records, end = read_journal(journal)
    autopsy.is_torn = journal.exists() and journal.stat().st_size > max(end, 1)
    autopsy.drafts = len(_drafts(folder))
    with Study.open(folder / "study") as study:
        _check_database(folder, study, known, lines)
        files = case_files(study)
        with study.lock(CASE) as lock:
            if not lock.held:
                msg = "the case is locked by a session that is dead"
                raise LossError(msg)
            annotation = open_annotation(open_scan(folder), files)
            here = standing(annotation.editing)
            annotation.close()
    numbers = [record.head for record in records]
    _compare(known, lines, numbers, here, autopsy, killed_s)
    known.last = here["last"]
    copy = open_annotation(open_scan(folder), files, read_only=True)
    autopsy.walked = _walk(copy.editing, known, depth)
    if annotation.notes or journal.with_name(journal.name + ".damaged").exists():
        msg = f"the case was taken for damaged or changed: {annotation.notes}"
        raise LossError(msg)
    if _drafts(folder):
        msg = f"unfinished files stay behind: {_drafts(folder)}"
        raise LossError(msg)
    return autopsy


def _check_session(lines: list[dict[str, Any]], known: Known) -> None:
    """A session must not have failed by itself, and must begin where we are."""
    for line in lines:
        if line["event"] == "failed":
            raise LossError(line["reason"])
        if line["event"] == "open" and known.states:
            found = line["checksum"], line["done"], line["undone"], line["comment"]
            wanted = known.states[known.at], known.at, known.undone, known.comment
            if found != wanted:
                msg = f"a session opened the case as {found}, not as {wanted}"
                raise LossError(msg)
        if line["event"] == "open" and not known.states:
            known.states = [line["checksum"]]


def _during(lines: list[dict[str, Any]]) -> str:
    """Return what was going on when the diary ends."""
    own = [line for line in lines if line["event"] in ("open", "start", "end")]
    if not own:
        return "opening"
    return own[-1]["kind"] if own[-1]["event"] == "start" else "between"


def _is_saving(lines: list[dict[str, Any]]) -> bool:
    saves = [line["event"] for line in lines if line["event"] in ("saving", "saved")]
    return bool(saves) and saves[-1] == "saving"


def _delays(lines: list[dict[str, Any]], last: int) -> list[float]:
    """Return for every step that reached the disk how long after its end it did."""
    written = [line["at"] for line in lines if line["event"] == "disk"]
    delays, before = [], last
    for line in lines:
        if line["event"] == "open":
            before = max(before, line["last"])
        if line["event"] != "end" or line["last"] == before:
            continue
        before = line["last"]
        if before - last <= len(written):
            delays.append(max(0.0, written[before - last - 1] - line["ended"]))
    return delays


def _drafts(folder: Path) -> list[Path]:
    """Return what a save leaves when it is killed."""
    return list((folder / "study" / "annotations").glob(".saving-*/*"))


def _check_database(
    folder: Path, study: Study, known: Known, lines: list[dict[str, Any]]
) -> None:
    """The database must be whole, and hold the last comment, or the one in hand."""
    path = folder / "study" / "study.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        msg = f"the database is damaged: {verdict}"
        raise LossError(msg)
    allowed = [known.comment]
    for line in lines:
        if line["event"] == "comment":
            allowed.append(line["comment"])
        elif line["event"] == "commented":
            allowed = [line["comment"]]
    known.comment = study.case(CASE).comment
    if known.comment not in allowed:
        msg = f"the database says {known.comment!r}, not one of {allowed}"
        raise LossError(msg)


def _compare(
    known: Known,
    lines: list[dict[str, Any]],
    records: list[dict[str, Any]],
    here: dict[str, Any],
    autopsy: Autopsy,
    killed_s: float,
) -> None:
    """Find the last step that is on disk, and check that the case stands there."""
    if not known.states:  # killed before the case was opened for the first time
        known.states = [here["checksum"]]
    ends = [line for line in lines if line["event"] == "end"]
    last = records[-1]["seq"] if records else 0
    kept = [line for line in ends if line["last"] <= last]
    opened = [line["last"] for line in lines if line["event"] == "open"]
    before = kept[-1]["last"] if kept else max([known.last, *opened])
    for line in kept:
        known.follow(line)
    more = [r["kind"] for r in records if r["seq"] > before and r["kind"] in _STEPS]
    rest = ends[len(kept) :]
    if len(more) > 1:
        msg = f"{len(more)} steps are on disk after the last one that had ended: {more}"
        raise LossError(msg)
    if more and rest:
        known.follow(rest.pop(0))
    elif more:
        known.continue_with(more[0], here["checksum"])
        autopsy.in_hand = "there"
    elif autopsy.during not in ("between", "opening"):
        autopsy.in_hand = "lost"
    lost = [line for line in rest if line["last"] > last]
    autopsy.finished, autopsy.lost = len(ends), len(lost)
    autopsy.oldest_lost_s = max([killed_s - line["ended"] for line in lost], default=0)
    found = here["checksum"], here["done"], here["undone"]
    if found != (known.states[known.at], known.at, known.undone):
        msg = (
            f"the case is {found} after record {last}, not "
            f"{(known.states[known.at], known.at, known.undone)}"
        )
        raise LossError(msg)
    if autopsy.oldest_lost_s >= GRACE_S:
        msg = f"a step is lost that had ended {autopsy.oldest_lost_s:.2f} s before"
        raise LossError(msg)


def _walk(editing: Editing, known: Known, depth: int) -> int:
    """Redo to the end, undo, and redo again; every state on the way is known.

    Raises
    ------
    LossError
        If a step leads elsewhere.
    """
    ways = [
        (editing.redo, 1, known.undone),
        (editing.undo, -1, min(depth, len(known.states) - 1)),
        (editing.redo, 1, min(depth, len(known.states) - 1)),
    ]
    at, walked = known.at, 0
    for move, by, count in ways:
        for _ in range(count):
            edit = move()
            at += by
            walked += 1
            if edit is None or checksum(editing) != known.states[at]:
                msg = f"step {at} of the history is not what it was"
                raise LossError(msg)
    return walked
