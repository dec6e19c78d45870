"""What an improvement costs, where it stands and how it ended, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.ui.wording import duration, sentence

if TYPE_CHECKING:
    from napari_mednext.app.improve import ImprovePlan
    from napari_mednext.app.improve_outcome import Comparison
    from napari_mednext.jobs import JobView

__all__ = [
    "EFFORTS",
    "OUTCOMES",
    "STATES",
    "about",
    "ending",
    "gigabytes",
    "job_line",
    "phase_line",
    "plan_cases",
    "plan_cost",
    "share_done",
]

#: Effort -> title with its key, and what it is good for.
EFFORTS = {
    "quick": ("&Quick", "Minutes: after a few corrections, while you go on"),
    "standard": ("S&tandard", "Longer: after some cases"),
    "thorough": ("T&horough", "Hours on a processor: over night"),
}
#: State of a job -> what people read.
STATES = {
    "queued": "Waiting",
    "running": "Running",
    "paused": "Paused",
    "done": "Done",
    "stopped": "Stopped early",
    "cancelled": "Cancelled",
    "failed": "Failed",
    "interrupted": "Interrupted",
}
#: Outcome of a comparison -> headline, and the level of its icon.
OUTCOMES = {
    "better": ("The new model is better", "done"),
    "same": ("The new model is as good as the old one", "info"),
    "worse": ("The new model is worse", "error"),
    "unproven": ("Nobody can tell yet whether the new model is better", "warning"),
}
#: What the events call the training that makes the model itself, and one that stands in
#: for it on cases that it does not learn: ``fold 2 of 3``.
_WHOLE, _STAND_IN = "final", "fold "
_DEVICES = {"cpu": "this CPU", "cuda": "the GPU", "mps": "the GPU"}


def gigabytes(count: float) -> str:
    """Return bytes as ``1.9 GB``, small ones as ``12 MB``."""
    if count >= 0.95e9:
        return f"{count / 1e9:.1f} GB"
    return f"{max(count, 0) / 1e6:.0f} MB"


def about(seconds: float) -> str:
    """Return a time that nobody knows exactly: ``6 min``, ``1 h 30 min``."""
    if seconds < 90:
        return f"{max(5, round(seconds / 5) * 5)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(round(minutes / 5) * 5, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def plan_cost(plan: ImprovePlan) -> str:
    """Return what a plan costs: ``About 6 min on this CPU · 1.9 GB of memory``."""
    kind, _, number = plan.device.partition(":")
    device = _DEVICES.get(kind, plan.device)
    if number and number != "0":
        device += f" {number}"
    parts = [f"About {about(plan.seconds)} on {device}"]
    parts.append(f"{gigabytes(plan.ram_bytes)} of memory")
    if plan.gpu_bytes:
        parts.append(f"{gigabytes(plan.gpu_bytes)} on the GPU")
    parts.append(f"{gigabytes(plan.disk_bytes)} of disk")
    return " · ".join(parts)


def plan_cases(plan: ImprovePlan) -> str:
    """Return what a plan learns from and is judged by."""
    learned = [case for case in plan.cases if case.role == "train"]
    held = [case for case in plan.cases if case.role == "hold-out"]
    replayed = [case for case in plan.cases if case.role == "replay"]
    reviewed = sum(case.reviewed for case in learned)
    changed = sum(case.changed for case in learned)
    parts = [
        f"Learns from {_cases(len(learned))}: {reviewed:,} reviewed voxels, "
        f"{changed:,} of them changed"
    ]
    if replayed:
        parts.append(f"repeats {_cases(len(replayed))} of before")
    if held:
        parts.append(f"judged on {_cases(len(held))} held out")
    elif plan.scheme == "leave-one-out":
        parts.append("judged by leaving each case out once")
    elif plan.scheme == "blocks":
        parts.append("judged on parts of the case that are held out")
    if plan.new_labels:
        parts.append(f"new: {', '.join(plan.new_labels)}")
    return "; ".join(parts) + "."


def share_done(job: JobView) -> float | None:
    """Return how much of a job is done, 0 to 1; None as long as nobody can know."""
    if job.total <= 0:
        return None
    return min(1.0, max(0.0, job.step / job.total))


def job_line(job: JobView) -> str:
    """Return where a job stands: ``Improving: step 120 of 200, 3:10 min left``."""
    state = str(job.state)
    if state == "queued" or (state == "running" and job.waiting_for):
        return f"Improving: waits for {job.waiting_for or 'its turn'}"
    if state == "paused":
        return f"Improving: paused at step {job.step} of {job.total}"
    if state == "interrupted":
        return "Improving: interrupted, it can go on"
    parts = []
    if job.phase and job.phase != "training":
        parts.append(job.phase)
    if job.total > 0 and job.phase in ("", "training"):
        parts.append(f"step {job.step} of {job.total}")
    if job.remaining_s is not None:
        parts.append(f"{duration(job.remaining_s)} left")
    return "Improving: " + (", ".join(parts) or "starts")


def phase_line(text: str, part: str) -> str:
    """Return what a job does: its phase, and what is trained if the phase is that.

    Parameters
    ----------
    text : str
        The phase, as the events have it.
    part : str
        What is trained, as the events have it.
    """
    if text != part:
        return text[:1].upper() + text[1:]
    if part == _WHOLE:
        return "Training the new model"
    if part.startswith(_STAND_IN):
        number = part.removeprefix(_STAND_IN)
        return f"Training without the cases or slices that judge, {number}"
    return part


def ending(job: JobView, comparison: Comparison | None) -> tuple[str, str]:
    """Return how a job ended, as a sentence and its level."""
    state = str(job.state)
    if state == "failed":
        return f"{job.title} failed: {sentence(job.message or 'see its log')}", "error"
    if state == "cancelled":
        return f"{job.title} was cancelled.", "info"
    if comparison is None:
        return f"{job.title}: {STATES.get(state, state).lower()}.", "done"
    if comparison.decision == "promoted":
        return "A better model is in use now.", "done"
    headline, level = OUTCOMES.get(comparison.outcome, ("The new model is there", ""))
    return f"{headline}.", level or "info"


def _cases(count: int) -> str:
    """Return ``1 case`` or ``3 cases``."""
    return f"{count} case{'' if count == 1 else 's'}"
