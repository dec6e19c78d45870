"""Which model segments the cases of a study, and which did before, kept in the study.

::

    {
        "schema": 1,
        "name": "liver-2",
        "path": "/data/s/models/liver-2",
        "inside": "models/liver-2",
        "history": [{"name": "liver", "path": "/models/liver"}],
    }

The history is oldest first. Files of older versions of this package have none, and no
``inside``, which finds a model of the study when the whole study was moved.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.formats.placing import placed, storage_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_mednext.models import ModelInfo

__all__ = [
    "earlier_models",
    "remember_earlier",
    "remember_model",
    "remembered_model",
    "remembered_names",
]

_LOG = logging.getLogger(__name__)
_SCHEMA = 1
_CHOSEN = Path("models", "chosen.json")
#: Far more than anybody goes back.
_KEPT = 100


@dataclass(frozen=True)
class _Choice:
    """A model as a study remembers it; ``inside`` is its place in the study, or ""."""

    name: str
    path: str
    inside: str = ""

    @classmethod
    def of(cls, folder: Path, name: str, path: Path) -> _Choice:
        path, folder = path.absolute(), folder.absolute()
        is_inside = path.is_relative_to(folder)
        inside = path.relative_to(folder).as_posix() if is_inside else ""
        return cls(name, str(path), inside)

    @classmethod
    def read(cls, said: Any) -> _Choice | None:
        """Return a choice from JSON; None where there is none."""
        if not isinstance(said, dict):
            return None
        name, path, inside = (said.get(key) for key in ("name", "path", "inside"))
        if not isinstance(path, str) or not path:
            return None
        return cls(
            name if isinstance(name, str) else "",
            path,
            inside if isinstance(inside, str) else "",
        )

    def to_dict(self) -> dict[str, str]:
        said = {"name": self.name, "path": self.path}
        return {**said, "inside": self.inside} if self.inside else said

    def found(self, folder: Path, installed: Sequence[ModelInfo]) -> Path | None:
        """Return where the model is now."""
        if self.inside and (folder / self.inside / "plans.json").is_file():
            return folder / self.inside
        path = Path(self.path)
        if any(info.path == path for info in installed):
            return path
        if (path / "plans.json").is_file():
            return path
        return next((info.path for info in installed if info.name == self.name), None)


def remember_model(folder: str | Path, *, name: str = "", path: Path | None) -> None:
    """Keep in a study which model segments its cases.

    The model before joins the history, unless it is the same.

    Parameters
    ----------
    folder : path
        Of the study.
    name : str
        What the model is called: another computer may have it elsewhere.
    path : Path or None
        Of its folder; None for no model.

    Raises
    ------
    StorageError
        If it cannot be read or written; what was remembered before stays.
    """  # noqa: DOC501 - by placed
    folder = Path(folder).expanduser()
    before, history = _read_to_change(folder)
    chosen = None if path is None else _Choice.of(folder, name, path)
    if before is not None and not _is_same(folder, before, chosen):
        history = (*history, before)
    _write(folder, chosen, history)


def remembered_model(
    folder: str | Path, installed: Iterable[ModelInfo] = ()
) -> Path | None:
    """Return the folder of the model that a study remembers.

    Parameters
    ----------
    folder : path
        Of the study.
    installed : iterable of ModelInfo
        Where the remembered folder is not there, one of these of the same name counts.

    Returns
    -------
    Path or None
        None where nothing is remembered or the model is gone.
    """
    folder = Path(folder).expanduser()
    chosen, _ = _read(folder)
    return None if chosen is None else chosen.found(folder, list(installed))


def earlier_models(
    folder: str | Path, installed: Iterable[ModelInfo] = ()
) -> tuple[Path, ...]:
    """Return the models that a study had before, the last one first.

    Parameters
    ----------
    folder : path
        Of the study.
    installed : iterable of ModelInfo
        As for `remembered_model`.

    Returns
    -------
    tuple of Path
        Those that are still there; one may stand there several times.
    """
    folder, infos = Path(folder).expanduser(), list(installed)
    found = [each.found(folder, infos) for each in reversed(_read(folder)[1])]
    return tuple(path for path in found if path is not None)


def remember_earlier(
    folder: str | Path, installed: Iterable[ModelInfo] = ()
) -> Path | None:
    """Choose the model before the present one; the present one is not kept as earlier.

    Parameters
    ----------
    folder : path
        Of the study.
    installed : iterable of ModelInfo
        As for `remembered_model`.

    Returns
    -------
    Path or None
        The folder of the model that is chosen now; None, and nothing is changed, where
        there was none before or none of them is left.

    Raises
    ------
    StorageError
        If it cannot be read or written; what was remembered before stays.
    """  # noqa: DOC501 - by placed
    folder, infos = Path(folder).expanduser(), list(installed)
    chosen, history = _read_to_change(folder)
    present = None if chosen is None else chosen.found(folder, infos)
    for position in reversed(range(len(history))):
        earlier = history[position]
        path = earlier.found(folder, infos)
        if path is not None and path != present:
            again = _Choice.of(folder, earlier.name, path)
            _write(folder, again, history[:position])
            return path
    return None


def remembered_names(folder: str | Path) -> frozenset[str]:
    """Return the folder names of all models in the study that it remembers.

    Another model must not take such a name, or going back would find that one.
    """
    chosen, history = _read(Path(folder).expanduser())
    choices = (*history, *(() if chosen is None else (chosen,)))
    return frozenset(Path(each.inside).name for each in choices if each.inside)


def _is_same(folder: Path, before: _Choice, after: _Choice | None) -> bool:
    """Whether both are one folder, also where the study was moved between them."""
    if after is None:
        return False
    if before.inside and after.inside:
        return before.inside == after.inside
    return before.found(folder, ()) == Path(after.path) or before.path == after.path


def _write(folder: Path, chosen: _Choice | None, history: Sequence[_Choice]) -> None:
    """Write the file in one go."""
    said: dict[str, Any] = {"name": "", "path": None}
    document = {
        "schema": _SCHEMA,
        **(said if chosen is None else chosen.to_dict()),
        "history": [each.to_dict() for each in history[-_KEPT:]],
    }
    with placed(folder / _CHOSEN) as draft, draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read_to_change(folder: Path) -> tuple[_Choice | None, tuple[_Choice, ...]]:
    """Return the same, but never nothing where a file is there that may say more."""
    file = folder / _CHOSEN
    try:
        with contextlib.suppress(FileNotFoundError):
            file.read_bytes()
    except OSError as error:
        raise storage_error(file, error) from error
    return _read(folder)


def _read(folder: Path) -> tuple[_Choice | None, tuple[_Choice, ...]]:
    """Return what a study says of its models; nothing where that cannot be read."""
    file = folder / _CHOSEN
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, ()
    except (OSError, ValueError):
        _LOG.warning("%s cannot be read: no model is chosen", file, exc_info=True)
        return None, ()
    if not isinstance(said, dict) or said.get("schema") != _SCHEMA:
        return None, ()
    history = said.get("history")
    choices = map(_Choice.read, history if isinstance(history, list) else ())
    return _Choice.read(said), tuple(each for each in choices if each is not None)
