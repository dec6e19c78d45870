"""Long work in a folder and a process of its own, which outlive the window.

A :class:`JobStore` makes jobs, a :class:`Job` looks at one and commands it, and
:func:`run_job` is what the module of a job calls in its process. Nothing here knows
what the work is, and nothing loads numpy or torch.

How it holds together:

- The truth about a job's process is a lock of the operating system, see
  :mod:`napari_mednext.locking`; no clock and no process number decides anything.
- ``state.json`` is written only by who holds that lock: the process, or whoever changes
  a job that has none. It is replaced in one move and read whole.
- Commands are empty files that anybody may make; the process obeys between two steps.
"""

from napari_mednext.jobs.job import CANDIDATE, Job
from napari_mednext.jobs.running import run_job
from napari_mednext.jobs.states import OVER, Command, JobState, JobView
from napari_mednext.jobs.store import JobStore
from napari_mednext.jobs.worker import JobWorker

__all__ = [
    "CANDIDATE",
    "OVER",
    "Command",
    "Job",
    "JobState",
    "JobStore",
    "JobView",
    "JobWorker",
    "run_job",
]
