"""Editing while the disk is full, or turns read-only: what is said, what is kept.

Mounts small disks of its own, edits a case on them with the plugin's layer, takes the
disk away, goes on editing, gives it back, and looks whether a reopened case equals the
one in memory, undo history included::

    python -m benchmarks.full_disk [--json PATH]

Must be root, on Linux. A disk that turns read-only under an open file is an ext4 one
with an error planted; the system refuses to remount a disk that is being written to.
Ends with code 1 when anything is lost.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.kill_editing.diary import checksum
from benchmarks.kill_editing.folder import NAMES, make_study, open_scan
from napari_mednext.correction.annotation import AnnotationFiles, open_annotation
from napari_mednext.errors import StorageError
from napari_mednext.ui.corrected_layer import Labels

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What is left on a full disk: enough for a few strokes, or for strokes but no mask.
FEW_STROKES, NO_MASK = 8 * 1024, 64 * 1024
#: A disk that fails is noticed within so many strokes.
MOST_STROKES = 300


def run(*command: str) -> None:
    """Run a command of the system."""
    subprocess.run(command, check=True, capture_output=True)


class Memory:
    """A disk in memory that can be filled and remounted."""

    def __init__(self, place: Path) -> None:
        self.place, self._filler = place, place / "filler"
        run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place))

    def fill(self, left: int) -> None:
        """Leave so many bytes."""
        free = os.statvfs(self.place)
        size = free.f_bavail * free.f_frsize - left
        self._filler.write_bytes(b"\0" * size)

    def empty(self) -> None:
        """Make room again."""
        self._filler.unlink()

    def protect(self) -> None:
        """Turn read-only."""
        run("mount", "-o", "remount,ro", str(self.place))

    def open_up(self) -> None:
        """Take writes again."""
        run("mount", "-o", "remount,rw", str(self.place))


class Ext4:
    """A disk in a file that turns read-only by an error, as a failing drive does."""

    def __init__(self, place: Path, image: Path) -> None:
        self.place, self._image = place, image
        with image.open("wb") as file:
            file.truncate(16 * 2**20)
        run("mkfs.ext4", "-q", "-O", "^has_journal", str(image))
        self._mount()

    def _mount(self) -> None:
        option = "loop,errors=remount-ro"
        run("mount", "-o", option, str(self._image), str(self.place))

    def fail(self) -> None:
        """Have the system find an error, upon which it writes no more."""
        device = self.place.stat().st_dev
        name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
        Path("/sys/fs/ext4", name.name, "trigger_fs_error").write_text("planted")

    def repair(self) -> None:
        """Take it out, check it, and put it in again."""
        run("umount", str(self.place))
        subprocess.run(
            ["fsck.ext4", "-fy", str(self._image)], check=False, capture_output=True
        )
        self._mount()


class Work:
    """A person with a brush."""

    def __init__(self, folder: Path, scan: Path, *, retry_s: float = 5.0) -> None:
        self.files = AnnotationFiles(
            folder / "labels.nii.gz", folder / "provenance.nii.gz", folder / "x.journal"
        )
        self.volume, self.told = open_scan(scan), []
        self.rng, self.retry_s = np.random.default_rng(4), retry_s
        self.annotation = open_annotation(
            self.volume, self.files, on_problem=self.told.append
        )
        self.editing = self.annotation.editing
        self.layer = Labels(self.editing.labels)
        self.layer.follow(self.editing)
        self.layer.mode, self.layer.brush_size = "paint", 12

    def stroke(self) -> None:
        """Drag the brush."""
        shape = self.editing.labels.shape
        with self.layer.block_history():
            for _ in range(4):
                point = tuple(int(self.rng.integers(n)) for n in shape)
                self.layer.paint(point, int(self.rng.integers(1, 6)))

    def noise(self) -> None:
        """Take an answer that nothing can make small."""
        shape = self.editing.labels.shape
        self.editing.predict(self.rng.integers(0, 6, shape).astype(np.uint8), 2)

    def until_problem(self) -> int:
        """Edit until the journal cannot be written; return after how many strokes."""
        for count in range(1, MOST_STROKES):
            self.stroke()
            with contextlib.suppress(StorageError):
                self.editing.journal.flush()
            if self.editing.journal.problem is not None:
                return count
        return sys.exit(f"the disk took {MOST_STROKES} strokes")

    def goes_on(self) -> int:
        """Edit on, with undo and redo; return how many records wait in memory."""
        for _ in range(10):
            self.stroke()
        self.layer.undo()
        self.layer.undo()
        self.layer.redo()
        return self.editing.journal.pending

    def save_fails(self) -> str:
        """Save, and return what is said."""
        before, said = checksum(self.editing), ""
        try:
            self.annotation.save(NAMES)
        except StorageError as error:
            said = str(error)
        if not said or checksum(self.editing) != before:
            sys.exit("a save on a broken disk did not fail, or changed the labels")
        return said

    def equals_reopened(self) -> int:
        """Close, open again, compare, undo everything; return how many steps."""
        wanted = checksum(self.editing), len(self.editing.history.done)
        self.annotation.close()
        again = open_annotation(self.volume, self.files)
        found = checksum(again.editing), len(again.editing.history.done)
        if found != wanted or again.notes:
            sys.exit(f"the reopened case differs: {found}, {wanted}")
        while again.editing.undo() is not None:
            pass
        if again.editing.labels.any() or again.editing.provenance.any():
            sys.exit("undoing everything does not lead to the empty case")
        again.close()
        return wanted[1]


def full_journal(place: Path, scan: Path) -> dict[str, Any]:
    """Strokes until the disk is full; room is made, and nobody does anything."""
    disk = Memory(place)
    work = Work(place, scan)
    work.stroke()
    work.annotation.save(NAMES)
    disk.fill(FEW_STROKES)
    strokes, waiting = work.until_problem(), work.goes_on()
    said = work.editing.journal.problem
    failed = work.save_fails()
    disk.empty()
    start_s = time.monotonic()
    while work.editing.journal.pending and time.monotonic() < start_s + 30:
        time.sleep(0.05)
    by_itself_s = time.monotonic() - start_s
    return {
        "strokes until it was full": strokes,
        "records kept in memory": waiting,
        "said": said,
        "said by a save": failed,
        "on disk by itself after s": round(by_itself_s, 1),
        "told": [None if told is None else "problem" for told in work.told],
        "steps equal after reopening": work.equals_reopened(),
    }


def full_save(place: Path, scan: Path) -> dict[str, Any]:
    """The journal has room, the mask has none; then room is made and saved again."""
    disk = Memory(place)
    work = Work(place, scan)
    work.stroke()
    work.annotation.save(NAMES)
    work.noise()
    work.editing.journal.flush()
    older = work.files.labels.read_bytes()
    disk.fill(NO_MASK)
    failed = work.save_fails()
    if work.files.labels.read_bytes() != older or list(place.glob(".saving-*")):
        sys.exit("a save that failed left something")
    disk.empty()
    work.annotation.save(NAMES)
    return {"said": failed, "steps equal after reopening": work.equals_reopened()}


def remounted(place: Path, scan: Path) -> dict[str, Any]:
    """The disk is full, then read-only as well; then all is well again."""
    disk = Memory(place)
    work = Work(place, scan)
    work.stroke()
    work.editing.journal.flush()
    refused = ""
    try:
        disk.protect()
    except subprocess.CalledProcessError as error:
        refused = error.stderr.decode().splitlines()[0].replace(str(place), "disk")
    disk.fill(0)
    strokes = work.until_problem()
    disk.protect()
    waiting = work.goes_on()
    with contextlib.suppress(StorageError):
        work.editing.journal.flush()
    said, failed = work.editing.journal.problem, work.save_fails()
    disk.open_up()
    disk.empty()
    work.annotation.save(NAMES)
    return {
        "remounting while the journal is open": refused,
        "strokes until it failed": strokes,
        "records kept in memory": waiting,
        "said": said,
        "said by a save": failed,
        "steps equal after reopening": work.equals_reopened(),
    }


def failing(place: Path, scan: Path, image: Path) -> dict[str, Any]:
    """A drive fails under the open journal, is taken out, repaired and put back."""
    disk = Ext4(place, image)
    work = Work(place, scan)
    for _ in range(5):
        work.stroke()
    work.annotation.save(NAMES)
    disk.fail()
    strokes, waiting = work.until_problem(), work.goes_on()
    said, failed = work.editing.journal.problem, work.save_fails()
    disk.repair()
    work.annotation.save(NAMES)
    return {
        "strokes until it failed": strokes,
        "records kept in memory": waiting,
        "said": said,
        "said by a save": failed,
        "steps equal after reopening": work.equals_reopened(),
    }


@contextlib.contextmanager
def mount_point() -> Iterator[Path]:
    """Give an empty folder, and take off whatever was mounted there."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=False, capture_output=True)


def main() -> int:
    """Run all four, print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    if sys.platform != "linux" or os.geteuid() != 0:
        print("disks can be mounted by root on Linux only: nothing was done")
        return 0
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        scan = Path(scratch, "scan")
        make_study(scan)
        for title, try_out, more in (
            ("disk full, journal", full_journal, ()),
            ("disk full, save", full_save, ()),
            ("full, then read-only", remounted, ()),
            ("drive fails under the open journal", failing, (Path(scratch, "image"),)),
        ):
            with mount_point() as place:
                figures = try_out(place, scan, *more)
                text = json.dumps(figures).replace(str(place), "DISK")
                found[title] = json.loads(text)
    print(json.dumps(found, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
