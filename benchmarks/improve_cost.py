"""What fine-tuning takes, planned before it starts and measured when it ran.

Each row is an update in a fresh process, as an improvement does it: the network with
its lower heads, the mean of its weights, AdamW, the old model asked first, and the loss
of corrections; patches of noise, every voxel known, which is the most it can be::

    python -m benchmarks.improve_cost [--quick] [--json PATH]

"planned" is what :mod:`napari_mednext.models.training_cost` says without torch,
"measured" the peak of the resident memory. Seconds are of the processors together, for
on a busy machine the clock says little. With the folder of a job that has run, the
process that did all of it is compared::

    python -m benchmarks.improve_cost --job STUDY/jobs/ID --planned BYTES

Needs 6 GB of memory; GPU memory is not measured here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_mednext.app.computing import COMPUTE_ENVIRONMENT
from napari_mednext.models.network_shape import NetworkShape
from napari_mednext.models.training_cost import TrainingWork, training_cost
from napari_mednext.models.training_memory import Update
from napari_mednext.network.presets import preset

UPDATES = 3


@dataclass(frozen=True)
class Row:
    """One configuration."""

    preset: str
    patch: tuple[int, int, int]
    heads: int
    part: Any = "full"
    checkpointing: Any = "none"
    asks: bool = True
    threads: int = 2

    def work(self) -> TrainingWork:
        """Return what the plan is made of."""
        shape = NetworkShape.from_kwargs(
            preset(self.preset), channels=1, heads=self.heads
        )
        asked = self.heads if self.asks else 0
        update = Update(
            shape,
            self.patch,
            part=self.part,
            checkpointing=self.checkpointing,
            teacher_heads=asked,
        )
        return TrainingWork(update, threads=self.threads)


SMALL, MIDDLE, MODEL, LARGE = (32, 32, 32), (48, 64, 48), (64, 80, 64), (96, 96, 96)
QUICK = (
    Row("tiny", SMALL, 3),
    Row("tiny", SMALL, 60),
    Row("tiny", MIDDLE, 11, "decoder"),
    Row("small", SMALL, 11, "full", "expansion"),
)
ROWS = (
    *QUICK,
    Row("tiny", MIDDLE, 3),
    Row("tiny", MIDDLE, 11),
    Row("tiny", MIDDLE, 60),
    Row("tiny", MIDDLE, 11, "head"),
    Row("tiny", MIDDLE, 11, "full", "expansion"),
    Row("tiny", MODEL, 11),
    Row("tiny", MODEL, 60),
    Row("tiny", MODEL, 60, "full", "expansion"),
    Row("tiny", MODEL, 60, "head"),
    Row("tiny", MODEL, 11, "decoder", "expansion"),
    Row("tiny", LARGE, 3),
    Row("tiny", LARGE, 60, "full", "expansion"),
    Row("small", SMALL, 11),
    Row("small", MIDDLE, 11),
    Row("small", MIDDLE, 60, "full", "expansion"),
    Row("small", MIDDLE, 3, "decoder"),
    Row("small", MIDDLE, 3, "head"),
    Row("small", MODEL, 11, "full", "expansion"),
    Row("base", SMALL, 3),
)


def measure(row: Row) -> dict[str, float]:
    """Do some updates in this process, and return what they took."""
    import torch

    import napari_mednext.inference  # noqa: F401 - a job has loaded it
    from napari_mednext.network import build
    from napari_mednext.training.peak_memory import peak_rss
    from napari_mednext.training.schedule import Schedule
    from napari_mednext.training.tuning.classes import ClassMap
    from napari_mednext.training.tuning.losses import Objective
    from napari_mednext.training.tuning.tuner import Batch, Student, Tuner

    torch.set_num_threads(row.threads)
    kwargs = preset(row.preset)

    def network(**options: Any) -> Any:
        return build("MedNeXt", input_channels=1, num_classes=row.heads, **options)

    own = {**kwargs, "checkpointing": row.checkpointing}
    student = network(deep_supervision=True, arch_kwargs=own)
    teacher = network(arch_kwargs=kwargs) if row.asks else None
    values = range(1, row.heads)
    names = tuple(f"label {value}" for value in values)
    heads = {value: value for value in values}
    classes = ClassMap(names, ((0, 0, 0),) * len(names), row.heads, heads, ())
    tuner = Tuner(
        Student(student, teacher, (0,)),
        row.part,
        Objective(classes, 0.3),
        Schedule(UPDATES, 1, 1e-3, 0.98),
        1e-2,
        torch.device("cpu"),
    )
    del student, teacher
    begin = tuner.weights()
    target = (torch.rand(1, *row.patch) * row.heads).to(torch.uint8)
    offset = torch.full((1, 3), 0.3)
    batch = Batch(torch.randn(1, 1, *row.patch), target, offset)
    seconds = []
    for _ in range(UPDATES):
        before = time.process_time()
        tuner.update(batch)
        seconds.append(time.process_time() - before)
    del begin
    return {"peak_rss": peak_rss(), "processor_s": min(seconds[1:])}


def in_fresh_process(row: Row) -> dict[str, float]:
    """Return what :func:`measure` finds in a process that does nothing else."""
    said = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.improve_cost",
            "--one",
            json.dumps(asdict(row)),
        ],
        env={**os.environ, **COMPUTE_ENVIRONMENT},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(said.stdout)
    return found


def peak_of_job(folder: Path) -> int:
    """Return the peak that the process of a job told last, bytes."""
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    peaks = [e["peak_rss"] for e in events if e.get("event") == "memory"]
    if not peaks:
        sys.exit(f"a job must have told its memory, {folder} has not: run it first")
    return int(max(peaks))


def compared(planned: float, measured: float) -> str:
    """Return both in MB and how far the plan is off."""
    off = 100 * (planned / measured - 1)
    return f"{planned / 1e6:8.0f} {measured / 1e6:9.0f} {off:+6.1f} %"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few small rows")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--job", type=Path, help="the folder of a job that has run")
    parser.add_argument("--planned", type=int, help="bytes that were planned for it")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        given = json.loads(arguments.one)
        row = Row(**{**given, "patch": tuple(given["patch"])})
        print(json.dumps(measure(row)))
        return
    if arguments.job:
        measured = peak_of_job(arguments.job)
        print(f"measured {measured / 1e6:.0f} MB")
        if arguments.planned:
            print(compared(arguments.planned, measured))
        return
    print(
        f"{'what':52} planned  measured     off  core-s planned / measured", flush=True
    )
    figures = []
    for row in QUICK if arguments.quick else ROWS:
        found = in_fresh_process(row)
        cost = training_cost(row.work())
        alone = training_cost(TrainingWork(row.work().update, threads=1))
        asks = "asks" if row.asks else ""
        what = (
            f"{row.preset:5} {'x'.join(map(str, row.patch)):9} {row.heads:3} heads "
            f"{row.part:7} {row.checkpointing:9} {asks}"
        )
        seconds = f"{alone.seconds_per_step:7.2f} / {found['processor_s']:.2f}"
        print(
            f"{what:50} {compared(cost.ram_bytes, found['peak_rss'])} {seconds}",
            flush=True,
        )
        figures.append({**asdict(row), **asdict(cost), **found})
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
