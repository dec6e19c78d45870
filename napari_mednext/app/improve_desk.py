"""The improvement of one study's model, as a window or a script handles it.

Everything reads or writes files: in a window it belongs into a worker. It needs no
torch; the training is a process of its own.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.app.improve_outcome import Comparison, comparison_from
from napari_mednext.errors import InputError, MednextError, SettingsError, StorageError
from napari_mednext.formats.placing import placed
from napari_mednext.settings.improve import ImproveSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_mednext.app.improve import ImprovePlan
    from napari_mednext.app.versions import Version
    from napari_mednext.jobs import Job, JobStore, JobView
    from napari_mednext.study import ModelVersion, Study

__all__ = ["ImproveDesk"]

_LOG = logging.getLogger(__name__)
_SETTINGS = Path("models", "improve.json")
_LOG_LINES = 300
#: A cancelled job may end by itself for so long, in seconds.
_GRACE_S = 10.0
_EXPORT = """
import sys
sys.path[:] = {search!r}
from napari_mednext.app.versions import export_version
from napari_mednext.errors import MednextError
try:
    export_version({path!r}, {out!r})
except MednextError as error:
    sys.exit(str(error))
"""


class ImproveDesk:
    """Plans, starts and steers the improvements of a study, and handles its versions.

    The methods may be called from any thread.

    Parameters
    ----------
    study : Study
        Open; it is not closed with the desk.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._store: JobStore | None = None

    @property
    def store(self) -> JobStore:
        """The jobs of the study."""
        if self._store is None:
            from napari_mednext.app.improve import job_store

            self._store = job_store(self.study)
        return self._store

    def why_not(self) -> str | None:
        """Return why nothing can be improved in this study, None when it can."""
        if not os.access(self.study.path, os.W_OK):
            return f"the folder {self.study.path.name!r} of the study is read-only"
        return None

    def settings(self) -> ImproveSettings:
        """Return the settings that were used last; the defaults where none were."""
        try:
            said = json.loads((self.study.path / _SETTINGS).read_text("utf-8"))
            return ImproveSettings.from_dict(said)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError, SettingsError):
            _LOG.warning("the last settings cannot be read", exc_info=True)
        return ImproveSettings()

    def plan(
        self,
        settings: ImproveSettings,
        *,
        model: str | Path | None = None,
        check: Callable[[], None] | None = None,
    ) -> ImprovePlan:
        """Return what an improvement would learn from, and what it would cost.

        Parameters
        ----------
        settings : ImproveSettings
            How.
        model : str or Path, optional
            To be improved; the study's by default.
        check : callable, optional
            Called between cases; may raise to stop.
        """
        from napari_mednext.app.improve import plan_improve

        return plan_improve(self.study, settings, model=model, check=check)

    def start(
        self, settings: ImproveSettings, *, model: str | Path | None = None
    ) -> str:
        """Start an improvement in a process of its own, and return its identity.

        Parameters
        ----------
        settings : ImproveSettings
            Remembered for the next time.
        model : str or Path, optional
            To be improved; the study's by default.

        Notes
        -----
        The first problem of the plan is raised, an ``InputError`` or a
        ``ResourceError``.
        """
        from napari_mednext.app.improve import start_improve

        job = start_improve(self.study, settings, model=model)
        try:
            target = self.study.path / _SETTINGS
            with placed(target) as draft:
                draft.write_text(json.dumps(settings.to_dict()), encoding="utf-8")
        except MednextError:  # it only spares a choice the next time
            _LOG.warning("the settings are not remembered", exc_info=True)
        return str(job.id)

    def jobs(self) -> tuple[JobView, ...]:
        """Return where the jobs stand, the newest first; damaged ones are left out."""
        views = []
        for job in self.store.jobs():
            try:
                views.append(job.view())
            except (MednextError, OSError):  # its folder is just being removed
                _LOG.info("%s cannot be read", job.path, exc_info=True)
        return tuple(views)

    def revive(self) -> tuple[str, ...]:
        """Go on with jobs whose process is gone, and return which."""
        if self.why_not() is not None or not (self.study.path / "jobs").is_dir():
            return ()
        return tuple(str(job.id) for job in self.store.revive())

    def steer(self, identity: str, command: str) -> None:
        """Give a job a command.

        Parameters
        ----------
        identity : str
            Of the job.
        command : str
            "pause", "resume", "stop" (keep the best so far), "cancel", "start" (one
            whose process is gone) or "delete" (one that is over, with its folder).

        Raises
        ------
        InputError
            If there is no such command.
        """
        job = self.store.job(identity)
        commands: dict[str, Callable[[], object]] = {
            "pause": job.pause,
            "resume": job.resume,
            "stop": job.stop,
            "cancel": lambda: _cancel(job),
            "start": job.start,
            "delete": lambda: job.delete(also_model=self._is_decided(identity)),
        }
        if command not in commands:
            msg = (
                f"the command must be one of {', '.join(commands)}, got {command!r}: "
                "choose one of them"
            )
            raise InputError(msg)
        commands[command]()

    def folder(self, identity: str) -> Path:
        """Return the folder of a job."""
        return Path(self.store.job(identity).path)

    def events(
        self, identity: str, offset: int = 0
    ) -> tuple[list[dict[str, Any]], int]:
        """Return what happened in a job since a byte of its log, and the next byte."""
        events, after = self.store.job(identity).events(offset)
        return list(events), int(after)

    def log(self, identity: str) -> str:
        """Return the last lines that the process of a job wrote."""
        return str(self.store.job(identity).log_tail(_LOG_LINES))

    def comparison(self, identity: str) -> Comparison | None:
        """Return what the gate found out; None before, or when nothing was judged."""
        from napari_mednext.app.improve import comparison_of

        job = self.store.job(identity)
        report = comparison_of(job)
        if report is None:
            return None
        decision = self._decision(identity)
        found = comparison_from(identity, report, Path(job.path), decision)
        if decision in ("open", "kept"):
            warnings = (*self._outdated(job), *found.warnings)
            found = dataclasses.replace(found, warnings=warnings)
        return found

    def versions(self) -> tuple[Version, ...]:
        """Return the versions of the study's model, as a tree in order."""
        from napari_mednext.app.versions import versions

        return tuple(versions(self.study))

    def disk_use(self) -> dict[str, int]:
        """Return what of the study's models and jobs takes how many bytes."""
        from napari_mednext.app.versions import disk_use

        return dict(disk_use(self.study))

    def promote(self, identity: str) -> Path:
        """Make the candidate of a job the study's model, and return its folder."""
        from napari_mednext.app.versions import promote

        return Path(promote(self.study, identity))

    def use(self, path: Path) -> Path:
        """Make a version the study's model, and return its folder."""
        from napari_mednext.app.versions import promote

        return Path(promote(self.study, path))

    def keep(self, identity: str) -> Path:
        """Keep the candidate of a job as a version that is not in use."""
        from napari_mednext.app.versions import keep

        return Path(keep(self.study, identity))

    def discard(self, identity: str) -> None:
        """Decide against the candidate of a job; it stays until the job is removed."""
        from napari_mednext.app.versions import discard

        discard(self.study, identity)

    def remove(self, path: Path) -> None:
        """Delete a version that is not in use; what it was made from stays known."""
        from napari_mednext.app.versions import remove_version

        remove_version(self.study, path)

    def in_use(self) -> Path | None:
        """Return the folder of the version in use, None where there is none."""
        return next((Path(v.path) for v in self.versions() if v.is_current), None)

    def roll_back(self) -> Path:
        """Go back to the version that was in use before, and return its folder."""
        from napari_mednext.app.versions import rollback

        return Path(rollback(self.study))

    def export(self, path: Path, target: Path) -> Path:
        """Write a version as a folder that nnU-Net reads, in a process of its own.

        It needs torch, which has no place in the process of a window.

        Parameters
        ----------
        path : Path
            Of the version.
        target : Path
            The new folder; it must not exist.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        code = _EXPORT.format(search=sys.path, path=str(path), out=str(target))
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["its process was ended"]
            raise StorageError(lines[-1])
        return target

    def model_version(self, path: Path) -> ModelVersion:
        """Return a model as a version of the study, by the digest of its weights."""
        from napari_mednext.models import find_model

        folder = find_model(path)
        code = self.study.model_code(folder.name, folder.sha256)
        return self.study.model(code)

    def _outdated(self, job: Job) -> tuple[str, ...]:
        """Return a sentence if another model is in use than a job's was compared with.

        A better model than that one need not be better than the present one.
        """
        from napari_mednext.app.candidates import candidate_of
        from napari_mednext.app.replacing import other_in_use

        digest = job.spec["arguments"].get("model_sha256")
        if digest is None:
            return ()
        place = candidate_of(self.study, job.path).path
        other = other_in_use(self.study, digest, place)
        if other is None:
            return ()
        return (
            f"it was compared with the model that was in use then; now {other!r} is, "
            "which may be better than both",
        )

    def _decision(self, identity: str) -> str:
        """Return what was decided about the model of a job."""
        from napari_mednext.app.chosen_model import remembered_model
        from napari_mednext.app.versions import candidate_of

        found = candidate_of(self.study, identity)
        if str(found.state) == "kept":
            chosen = remembered_model(self.study.path)
            is_used = chosen is not None and found.path is not None
            return "promoted" if is_used and chosen == found.path else "kept"
        return {"open": "open"}.get(str(found.state), "discarded")

    def _is_decided(self, identity: str) -> bool:
        """Whether the model in the folder of a job is wanted by nobody."""
        return self._decision(identity) == "discarded"


def _cancel(job: Job) -> None:
    """Cancel a job; a process that does not listen is ended."""
    job.cancel()
    job.kill_after(_GRACE_S)
