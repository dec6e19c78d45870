"""A process that has everything imported, and forks sessions that begin at once.

It has one thread only, as a process that forks must. Each line of its input begins a
session, each line of its output is the answer::

    {"begin": {"folder": ..., "diary": ..., ...}}  ->  {"pid": ...}
    {"reap": pid}                                  ->  {"signal": ...}
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

__all__ = ["Nursery"]

ROOT = Path(__file__).parents[2]


class Nursery:
    """The process, seen from the one that kills; use it in a ``with`` block."""

    def __init__(self, scratch: Path) -> None:
        # Threads of a library do not survive a fork; napari's settings are not ours.
        own = {
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "NAPARI_CONFIG": str(scratch / "napari.yaml"),
            "PYTHONPATH": str(ROOT),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.kill_editing.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | own,
        )

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        stdin.write(json.dumps(question) + "\n")
        stdin.flush()
        return json.loads(stdout.readline())

    def begin(self, folder: Path, diary: Path, **options: Any) -> int:
        """Begin a session, and return its process number; options as of ``work``."""
        places = {"folder": str(folder), "diary": str(diary)}
        return int(self._ask({"begin": places | options})["pid"])

    def reap(self, pid: int) -> int:
        """Wait for the end of a session; return which signal ended it, 0 for none."""
        return int(self._ask({"reap": pid})["signal"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    """Do what a line asks for."""
    from benchmarks.kill_editing.session import work

    if "reap" in question:
        _, status = os.waitpid(question["reap"], 0)
        return {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            options = question["begin"]
            work(Path(options.pop("folder")), Path(options.pop("diary")), **options)
            code = 0
        finally:
            os._exit(code)
    return {"pid": pid}


def _warm_up() -> None:
    """Import everything, and make napari build what it builds once."""
    import numpy as np

    from napari_mednext.correction.editing import Editing
    from napari_mednext.ui.corrected_layer import Labels

    editing = Editing(np.zeros((3, 20, 20), np.uint8))
    layer = Labels(editing.labels)
    layer.follow(editing)
    layer.paint((1, 9, 9), 1)
    layer.paint_polygon([[1, 2, 2], [1, 2, 9], [1, 9, 9]], 2)
    layer.undo()


def main() -> None:
    """Serve until the input ends."""
    _warm_up()
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
