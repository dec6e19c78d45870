"""Studies with jobs, for the commands about them."""

from __future__ import annotations

from napari_mednext.jobs import JobState, JobStore, JobWorker
from napari_mednext.training.gate import GateReport, Suspicion, Verdict, write_report
from napari_mednext.training.gate.verdict import GroupChange, LabelChange

PREFIXES = ("tests.jobs.", "napari_mednext.")

LABELS = (
    LabelChange(1, "liver", False, 5000, 3, 0.8125, 0.90625, 0.09375, 0.0415, 0.143,
                0.7, 0.75, 0.05, 0.0, 0.1),
    LabelChange(2, "left  [kidney]", False, 900, 1, 0.5, 0.49, -0.01),
    LabelChange(3, "tumour", True, 300, 2, None, 0.7, 0.7, 0.5, 0.9),
    LabelChange(4, "spleen", False, 0, 0),
)  # fmt: skip
GROUPS = (
    GroupChange("corrected", 3, 0.65, 0.7, 0.05, 0.01, 0.09),
    GroupChange("old", 1, 0.9, 0.899, -0.001, None, None),
)
SWAPPED = Suspicion("swapped", "liver and tumour look swapped in case 'a'", "a")
SHIFTED = Suspicion("shifted", "labels of case 'b' look shifted", "b")

#: The table of `report()`, by hand.
TABLE = """\
Dice                     before  after  change     95 % interval  cases  \
surface: before  after  change
liver                     0.812  0.906  +0.094  +0.042 .. +0.143      3  \
          0.700  0.750  +0.050
left [kidney]             0.500  0.490  -0.010                        1  \
              -      -       -
tumour (new)                  -  0.700  +0.700  +0.500 .. +0.900      2  \
              -      -       -
mean of corrected cases   0.650  0.700  +0.050  +0.010 .. +0.090      3  \
              -      -       -
mean of old cases         0.900  0.899  -0.001                        1  \
              -      -       -
"""


def report(outcome="better", suspicions=()):
    """Return a comparison with all sorts of rows."""
    reason = f"{outcome.capitalize()}: mean Dice 0.66 -> 0.70 on 3 held-out cases."
    verdict = Verdict(
        outcome, reason, 3, per_label=LABELS, groups=GROUPS, suspicions=suspicions
    )
    return GateReport(verdict, (), "2026-01-02T03:04:05+00:00", ("one was a copy",))


def store_of(study):
    """Return the jobs of a study, which may be toys."""
    return JobStore(study / "jobs", module_prefixes=PREFIXES)


def new_job(study, *, title="Improve liver", module="napari_mednext.app.improve_run"):
    """Make a job that has not begun."""
    return store_of(study).new("improve", title=title, module=module, arguments={})


def end_job(job, state=JobState.DONE, message="", *, comparison=None, **result):
    """End a job without a process, as training does."""
    worker = JobWorker(job.path)
    worker.begin()
    worker.tell("phase", phase="writing", text="writing the new model")
    if comparison is not None:
        write_report(comparison, job.path / "comparison.json")
        result = {"verdict": comparison.verdict.outcome, **result}
        result["reason"] = comparison.verdict.reason
    worker.finish(state, message, **result)
    return job
