"""Promote a candidate over and over, stopped at each call of the system in turn.

Run as a program, with the folder of a study whose job "1" has a model, and how many
calls to go on by: writes JSON, one object a run. It is a process of its own, since what
watches the calls of a process cannot be taken away again, and without threads, so that
it can be forked.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import traceback
from pathlib import Path

from napari_mednext.app.chosen_model import earlier_models, remembered_model
from napari_mednext.app.version_facts import check_files
from napari_mednext.app.versions import promote, rollback
from napari_mednext.errors import MednextError
from napari_mednext.models import ModelFolder

#: What changes something on the disk; of opening, only that for writing.
WATCHED = {
    "open",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.truncate",
    "os.chmod",
    "shutil.copyfile",
    "tempfile.mkdtemp",
    "test.fsync",
}
FSYNC = os.fsync


def stop_at(number, study, how):
    """End this process, or fail as a full disk does, at one call on the study."""
    seen = -1

    def fsync(handle):
        sys.audit("test.fsync", str(study))
        return FSYNC(handle)

    def watch(event, arguments):
        nonlocal seen
        if event not in WATCHED or not any(str(study) in str(a) for a in arguments):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        seen += 1
        if seen != number:
            return
        if how == "kill":
            os._exit(9)
        raise OSError(errno.ENOSPC, "No space left on device")

    os.fsync = fsync
    sys.addaudithook(watch)


def in_child(work):
    """Do it in a fork; returns the exit code and what it said."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            said = work() or ""
        except MednextError as error:
            said = f"refused: {error}"
        except BaseException:  # noqa: BLE001 - told to the test
            said = f"fault: {traceback.format_exc()}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


def soundness(study):
    """What is wrong with the folders of a study."""
    wrong = []
    kept = [p for p in (study / "models").iterdir() if p.is_dir() and p.name[0] != "."]
    models = [*kept, *(study / "jobs").glob("*/model")]
    for path in models:
        try:
            check_files(ModelFolder.open(path))
        except MednextError as error:
            wrong.append(f"{path.name}: {error}")
    if not models:
        wrong.append("the candidate is lost")
    return wrong


def attempt(template, how, number):
    """Stop one promotion; returns what is there then, and after a second one."""
    study = template.with_name(f"{template.name}-{how}-{number}")
    shutil.copytree(template, study)
    old, new = remembered_model(template), study / "models" / "liver"

    def stopped():
        stop_at(number, study, how)
        return str(promote(study, "1"))

    code, said = in_child(stopped)
    chosen = {new: "new", old: "old"}.get(remembered_model(study), "none")
    wrong = soundness(study)
    again = promote(study, "1")
    hidden = [*study.glob("models/.*"), *study.glob("jobs/*/.*")]
    # Drafts of small files are in nobody's way, and may be those of another process.
    ours = [path for path in hidden if not path.name.startswith((".lock", ".saving-"))]
    found = {
        "how": how,
        "number": number,
        "code": code,
        "said": said,
        "chosen": chosen,
        "wrong": wrong,
        "again": again == new == remembered_model(study),
        "wrong_after": soundness(study),
        "left": [str(path) for path in ours],
        "folders": len(list(study.rglob("plans.json"))),
        "history": [path == old for path in earlier_models(study)],
        "back": rollback(study) == old,
    }
    shutil.rmtree(study)
    return found


def main():
    template, step, calls = Path(sys.argv[1]), int(sys.argv[2]), 0
    for how in ("kill", "full"):
        number = 0
        while how == "kill" or number < calls:
            found = attempt(template, how, number)
            sys.stdout.write(json.dumps(found) + "\n")
            if how == "kill" and found["code"] == 0:  # there was no such call
                calls = number
                break
            number += step


if __name__ == "__main__":
    main()
