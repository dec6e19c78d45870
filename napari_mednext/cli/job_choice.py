"""Which job a command is about: found in studies, by its id or a part of that."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import InputError
from napari_mednext.jobs import Job, JobStore

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["StudyJob", "chosen_job", "jobs_of", "known_studies"]

#: A sentence names at most so many jobs.
_NAMED = 5


@dataclass(frozen=True)
class StudyJob:
    """A job, and the folder of the study that it belongs to."""

    study: Path
    job: Job


def known_studies(given: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders of the studies whose jobs are meant.

    Parameters
    ----------
    given : sequence of Path
        Named by the user. Without any, the current folder if it is a study, else all
        that were used on this computer.

    Raises
    ------
    InputError
        If a named folder is no study.
    """  # noqa: DOC501 - by study_place
    from napari_mednext.app.recent_studies import is_study, recent, remember
    from napari_mednext.app.study_place import study_place

    if given:
        places = tuple(dict.fromkeys(study_place(folder) for folder in given))
        for place in reversed(places):
            remember(place)
        return places
    here = Path.cwd()
    return (here,) if is_study(here) else recent()


def jobs_of(studies: Sequence[Path]) -> tuple[list[StudyJob], list[str]]:
    """Return the jobs of studies, the newest of each first, and what is damaged.

    Returns
    -------
    list of StudyJob
        In the order of the studies.
    list of str
        A sentence for each job that cannot be read.
    """
    jobs: list[StudyJob] = []
    problems: list[str] = []
    for study in studies:
        store = _store(study)
        jobs += [StudyJob(study, job) for job in store.jobs()]
        problems += store.problems()
    return jobs, problems


def chosen_job(said: str, studies: Sequence[Path]) -> StudyJob:
    """Return the one job that is meant.

    Parameters
    ----------
    said : str
        Its id, its number, or the beginning of its id.
    studies : sequence of Path
        Where to look.

    Raises
    ------
    InputError
        If no job, or more than one, is meant, or it is damaged.
    """  # noqa: DOC501 - made by _unknown
    jobs, problems = jobs_of(studies)
    found = _meant(said, jobs)
    if len(found) == 1:
        return found[0]
    if found:
        several = len({each.study for each in found}) > 1
        names = _named([_name(each, with_study=several) for each in found])
        advice = "name the study with --study" if several else "give more of its id"
        msg = f"an id must mean one job, {said!r} means {names}: {advice}"
        raise InputError(msg)
    damaged = next((each for each in problems if said in each), None)
    if damaged is not None:
        raise InputError(damaged)
    raise _unknown(said, jobs, studies)


def _meant(said: str, jobs: Sequence[StudyJob]) -> list[StudyJob]:
    """Return the jobs that an id can mean, by the strictest rule that finds any."""
    exact = [each for each in jobs if each.job.id == said]
    if exact:
        return exact
    if said.isascii() and said.isdigit():
        numbered = [e for e in jobs if int(e.job.id.partition("-")[0]) == int(said)]
        if numbered:
            return numbered
    return [each for each in jobs if said and each.job.id.startswith(said)]


def _unknown(
    said: str, jobs: Sequence[StudyJob], studies: Sequence[Path]
) -> InputError:
    """Return the sentence for an id that no job has."""
    if not studies:
        return InputError(
            f"a job must belong to a study, got {said!r} and no study was used here: "
            "name it with --study"
        )
    several = len(studies) > 1
    ids = list(dict.fromkeys(each.job.id for each in jobs))
    close = difflib.get_close_matches(said, ids, n=1, cutoff=0.5)
    where = f"in {len(studies)} studies" if several else f"in {str(studies[0])!r}"
    known = _named([_name(each, with_study=several) for each in jobs])
    advice = f"did you mean {close[0]!r}" if close else "see napari-mednext jobs list"
    there = f"there are {known}" if jobs else "there are none"
    return InputError(
        f"a job must be one of those {where}, got {said!r}, {there}: {advice}"
    )


def _name(each: StudyJob, *, with_study: bool) -> str:
    return f"{each.job.id!r}" + (f" of {str(each.study)!r}" if with_study else "")


def _named(names: Sequence[str]) -> str:
    """Return some names of many in a row."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _store(study: Path) -> JobStore:
    """Return the jobs of a study, which need not be opened for that."""
    return JobStore(study / "jobs")
