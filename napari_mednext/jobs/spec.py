"""What a job is asked to do: written once, before it starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from napari_mednext.errors import InputError, StorageError
from napari_mednext.jobs.documents import damaged, read_document, replace_document

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MODULE_PREFIXES", "JobSpec", "check_module"]

#: A job may run modules below these only: a study from elsewhere brings its job folders
#: with it, and they must not choose what code runs here.
MODULE_PREFIXES = ("napari_mednext.",)

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_FILE = "spec.json"


@dataclass(frozen=True)
class JobSpec:
    """The order that a job carries out.

    Parameters
    ----------
    kind : str
        Lower-case word that says what sort of job it is.
    title : str
        For people.
    module : str
        Dotted name of the module whose ``main(job_folder)`` does the work.
    arguments : mapping
        JSON values for that module.
    created : str
        Local time as ISO 8601, for showing.
    """

    kind: str
    title: str
    module: str
    arguments: Mapping[str, Any]
    created: str

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the spec of a job folder.

        Raises
        ------
        InputError
            If there is none, or it is damaged or of a newer schema.
        """  # noqa: DOC501 - made by damaged
        path = folder / _FILE
        content = read_document(path)
        if content is None:
            msg = (
                f"a job must be a folder with a file {_FILE}, got {str(folder)!r}: "
                "choose a job of the study's list"
            )
            raise InputError(msg)
        texts = [content.get(key) for key in ("kind", "title", "module", "created")]
        arguments = content.get("arguments")
        if not all(isinstance(t, str) for t in texts) or not isinstance(
            arguments, dict
        ):
            raise damaged(path, "missing or wrong fields")
        kind, title, module, created = map(str, texts)
        return cls(kind, title, module, arguments, created)

    def write(self, folder: Path) -> None:
        """Write the spec into a new job folder.

        Raises
        ------
        StorageError
            If there is no room.
        """
        try:
            replace_document(folder / _FILE, asdict(self))
        except OSError as error:
            msg = (
                f"a job must be written to {str(folder.parent)!r} "
                f"({error.strerror or error}): make room, then start it again"
            )
            raise StorageError(msg) from error


def check_module(module: str, prefixes: Sequence[str] = MODULE_PREFIXES) -> str:
    """Return the name of a module if a job may run it.

    Raises
    ------
    InputError
        If it lies outside this package.
    """
    if not _MODULE.fullmatch(module) or not module.startswith(tuple(prefixes)):
        msg = (
            f"a job must run a module below {' or '.join(map(repr, prefixes))}, got "
            f"{module!r}: do not start this job, its folder is not from napari-mednext"
        )
        raise InputError(msg)
    return module
