"""What a window does with an improvement, without the window.

It opens the study, goes on with jobs that lost their process, starts an improvement
where there is none, watches it, and puts the new model into use. Run as a program, with
the folder of the study, that of the model, and the file in which to say what it does.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from unittest import mock

from benchmarks.kill_improving.study import SETTINGS, process_of, store_of
from napari_mednext.app import improve
from napari_mednext.app.improve_desk import ImproveDesk
from napari_mednext.app.versions import candidate_of
from napari_mednext.jobs.event_log import EventLog
from napari_mednext.study import Study

__all__ = ["PHASES", "SETTINGS_OF_WINDOWS"]

#: What it says.
PHASES = ("opening", "starting", "watching", "promoting", "looking")
#: The person decides, not the trainer.
SETTINGS_OF_WINDOWS = dataclasses.replace(SETTINGS, promote="ask")
_LOOK_S = 0.02


def _work(folder: Path, model: Path, diary: EventLog) -> None:
    with Study.open(folder) as study:
        desk = ImproveDesk(study)
        diary.add("opening", {})
        desk.revive()
        if not desk.jobs():
            diary.add("starting", {})
            desk.start(SETTINGS_OF_WINDOWS, model=model)
        diary.add("watching", {})
        offset, identity = 0, desk.jobs()[0].id
        process_of(desk.store.job(identity))
        while not desk.jobs()[0].is_over:
            _, offset = desk.events(identity, offset)
            desk.log(identity)
            time.sleep(_LOOK_S)
        if candidate_of(study, identity).path is not None:
            diary.add("promoting", {})
            desk.promote(identity)
        diary.add("looking", {})
        desk.comparison(identity)
        desk.versions()
        desk.disk_use()


def main() -> None:
    """Work until it is done."""
    diary = EventLog(Path(sys.argv[3]))
    with mock.patch.object(improve, "job_store", lambda study: store_of(study.path)):
        _work(Path(sys.argv[1]), Path(sys.argv[2]), diary)


if __name__ == "__main__":
    main()
