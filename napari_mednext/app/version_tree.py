"""The models that a study can use, as a tree: which was made from which."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from napari_mednext.app.candidates import CandidateState, candidate_of
from napari_mednext.app.chosen_model import remembered_model
from napari_mednext.app.disk_use import folder_bytes
from napari_mednext.app.removed_versions import RemovedVersion, removed_versions
from napari_mednext.app.study_place import study_place
from napari_mednext.app.version_facts import read_lineage, stated_digest
from napari_mednext.errors import InputError, ModelError
from napari_mednext.models import Card, ModelFolder, installed_models

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_mednext.models import ModelInfo
    from napari_mednext.study import Study

__all__ = ["Version", "VersionKind", "find_version", "versions"]

VersionKind = Literal["base", "candidate", "version"]

#: Where two folders hold the same model, its descendants hang below the first kind.
_RANK: dict[VersionKind, int] = {"version": 0, "base": 1, "candidate": 2}


@dataclass(frozen=True)
class Version:
    """One model that a study can use.

    Parameters
    ----------
    name, title : str
        As on its card; the folder's where there is none.
    path : Path
        Its folder.
    kind : {"base", "candidate", "version"}
        Installed on this computer, waiting in a job's folder, or kept in the study.
    depth : int
        0 for roots of the tree, which are models without a parent that is known.
    parent, parent_sha256 : str or None, str
        What its training started from, which may be gone; None where nothing is said.
    sha256 : str
        Digest as its card states it; empty where it does not.
    created : str
        When, as ISO 8601, or empty.
    is_current : bool
        Whether the study's cases are segmented with it.
    is_shipped : bool
        Whether it came with this package.
    is_discarded : bool
        Whether somebody decided against this candidate.
    job : str or None
        Id of the job that made it, which may be of another study.
    bytes : int
        Size of its files.
    metrics : mapping
        What was measured, as on its card.
    card : Card
        All that is known: settings in ``recipe``, data, software, limits.
    problem : str
        A sentence where the folder cannot be used; empty for sound ones.
    """

    name: str
    title: str
    path: Path
    kind: VersionKind
    depth: int = 0
    parent: str | None = None
    parent_sha256: str = ""
    sha256: str = ""
    created: str = ""
    is_current: bool = False
    is_shipped: bool = False
    is_discarded: bool = False
    job: str | None = None
    bytes: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    card: Card = field(default_factory=Card)
    problem: str = ""


def versions(study: Study | str | Path) -> tuple[Version, ...]:
    """Return all models that a study can use, each behind its parent.

    Installed models, versions in the study, and models that wait in job folders; reads
    no weights. A model whose parent was removed hangs below the nearest model before it
    that is there.

    Parameters
    ----------
    study : Study or path
        The study.

    Returns
    -------
    tuple of Version
        Depth first; siblings in the order of their time, then of their names.

    Raises
    ------
    InputError
        If there is no study.
    """  # noqa: DOC501 - by study_place
    root = study_place(study)
    installed = installed_models()
    found = [
        *_versions_of(root),
        *(_read(info.path, "base", is_shipped=info.is_shipped) for info in installed),
    ]
    kept = {each.sha256 for each in found if each.sha256 and each.kind == "version"}
    # One that was kept a moment ago may still be in its job's folder.
    found += [each for each in _candidates(root) if each.sha256 not in kept]
    found = _with_current(root, found, installed)
    return _in_order(found, removed_versions(root / "models"))


def find_version(study: Study | str | Path, word: str) -> Version:
    """Return a version by its name, by the id of the job that made it, or its folder.

    Parameters
    ----------
    study : Study or path
        The study.
    word : str
        What a person typed.

    Raises
    ------
    InputError
        If there is none, or several have that name.
    """
    found = versions(study)
    named = [each for each in found if each.name == word]
    # A version hides candidates of its name: these can be named by their job.
    named = [each for each in named if each.kind != "candidate"] or named
    if len(named) > 1:
        places = ", ".join(each.job or str(each.path) for each in named)
        msg = (
            f"a name must belong to one version, got {word!r} for {len(named)} "
            f"({places}): give its job or its folder"
        )
        raise InputError(msg)
    made = [each for each in found if each.job == word and each.kind != "base"]
    place = _place_of(study, word)
    for matches in (named, made, [each for each in found if each.path == place]):
        if matches:
            return matches[0]
    names = ", ".join(dict.fromkeys(each.name for each in found)) or "none"
    msg = (
        f"a version must be one of {names}, or a job's id or a folder, got {word!r}: "
        "see them with 'models tree'"
    )
    raise InputError(msg)


def _place_of(study: Study | str | Path, word: str) -> Path:
    """Return where a model lies whose job or folder somebody named."""
    path = Path(os.path.abspath(Path(word).expanduser()))  # noqa: PTH100 - keeps links
    try:
        return candidate_of(study, word).path or path
    except InputError:
        return path


def _versions_of(root: Path) -> list[Version]:
    """Return the versions in a study."""
    folders = sorted((root / "models").glob("*/plans.json"))
    return [_read(f.parent, "version") for f in folders if f.parent.name[0] != "."]


def _candidates(root: Path) -> list[Version]:
    """Return the models that wait in job folders, also those that were discarded."""
    found = []
    for model in sorted((root / "jobs").glob("*/model/plans.json")):
        job = model.parent.parent
        state = candidate_of(root, job).state
        if state in (CandidateState.OPEN, CandidateState.DISCARDED):
            is_discarded = state is CandidateState.DISCARDED
            made = _read(model.parent, "candidate", is_discarded=is_discarded)
            found.append(replace(made, job=job.name))
    return found


def _read(
    path: Path,
    kind: VersionKind,
    *,
    is_shipped: bool = False,
    is_discarded: bool = False,
) -> Version:
    """Return a version without its place in the tree."""
    version = Version(
        name=path.name,
        title=path.name,
        path=path,
        kind=kind,
        is_shipped=is_shipped,
        is_discarded=is_discarded,
        bytes=folder_bytes(path),
    )
    try:
        folder = ModelFolder.open(path)
        digest = stated_digest(folder)
    except ModelError as error:
        return replace(version, problem=str(error))
    lineage = read_lineage(folder.card.lineage)
    return replace(
        version,
        name=folder.name,
        title=folder.title,
        parent=lineage.parent or None,
        parent_sha256=lineage.parent_sha256,
        sha256=digest,
        created=folder.card.created,
        job=lineage.job or None,
        metrics=folder.card.metrics,
        card=folder.card,
    )


def _with_current(
    root: Path, found: Iterable[Version], installed: Sequence[ModelInfo]
) -> list[Version]:
    """Mark the model that the study remembers."""
    chosen = remembered_model(root, installed)
    place = None if chosen is None else chosen.resolve()
    return [
        replace(each, is_current=place is not None and each.path.resolve() == place)
        for each in found
    ]


#: What a parent is looked for among.
_Kind = TypeVar("_Kind", Version, RemovedVersion)


def _in_order(
    found: Sequence[Version], gone: Sequence[RemovedVersion]
) -> tuple[Version, ...]:
    """Return the versions depth first, with their depth."""
    ranked = sorted(found, key=lambda each: _RANK[each.kind])
    parents = {each.path: _ancestor(each, ranked, gone) for each in found}
    for each in found:  # cards come from other people, and may go in circles
        seen, above = {each.path}, parents[each.path]
        while above is not None and above.path not in seen:
            seen.add(above.path)
            above = parents[above.path]
        if above is not None and above.path == each.path:
            parents[each.path] = None
    children: dict[Path | None, list[Version]] = {}
    for each in sorted(found, key=lambda each: (each.created, each.name)):
        above = parents[each.path]
        children.setdefault(None if above is None else above.path, []).append(each)
    ordered = []
    waiting = [(each, 0) for each in reversed(children.get(None, []))]
    while waiting:
        each, depth = waiting.pop()
        ordered.append(replace(each, depth=depth))
        below = reversed(children.get(each.path, []))
        waiting += [(child, depth + 1) for child in below]
    return tuple(ordered)


def _ancestor(
    version: Version, ranked: Sequence[Version], gone: Sequence[RemovedVersion]
) -> Version | None:
    """Return the nearest model before a version that is there."""
    others = [each for each in ranked if each.path != version.path]
    left = list(gone)
    child: Version | RemovedVersion = version
    while child.parent is not None or child.parent_sha256:
        parent = _parent(child, others)
        if parent is not None:
            return parent
        step = _parent(child, left)
        if step is None:
            return None
        left.remove(step)
        child = step
    return None


def _parent(child: Version | RemovedVersion, among: Sequence[_Kind]) -> _Kind | None:
    """Return the one that a child was made from: by its digest, or else its name."""
    if child.parent_sha256:
        for each in among:
            if each.sha256 == child.parent_sha256:
                return each
    for each in among:
        # A model of that name with another digest is another model.
        is_other = bool(child.parent_sha256 and each.sha256)
        if each.name == child.parent and not is_other:
            return each
    return None
