"""Correct, improve and judge, without a person.

::

    python -m benchmarks.loop prepare --data FOLDER --work FOLDER [--task T ...]
    python -m benchmarks.loop run --data FOLDER --work FOLDER --task T [--method M ...]
        [--stage dev|final] [--steps 150] [--seed 0] [--rounds 3]
    python -m benchmarks.loop report RESULTS [-o FOLDER]
    python -m benchmarks.loop poison --data FOLDER --work FOLDER [--runs 20]

``FOLDER`` of the data holds the label maps and scans under the names in
``preparing.py``. Everything is kept in the work folder; what ``results.jsonl`` has is
not done again, so a run that was killed is simply started again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.loop.results import Results
from benchmarks.loop.tasks import STAGES, TASKS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("prepare", "run", "poison"):
        command = commands.add_parser(name)
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--work", type=Path, default=Path("loop_work"))
        command.add_argument("--results", type=Path, help="WORK/results.jsonl")
        command.add_argument("--task", nargs="+", choices=list(TASKS))
        command.add_argument("--stage", choices=list(STAGES), default="dev")
        command.add_argument("--threads", type=int, default=2)
        if name != "prepare":
            command.add_argument("--steps", type=int, default=150)
            command.add_argument("--seed", type=int, default=0)
        if name == "run":
            command.add_argument("--method", nargs="+", default=["ours"])
            command.add_argument("--rounds", type=int, default=3)
            command.add_argument("--slices", type=int, default=5)
            command.add_argument("--gate", default="none")
        if name == "poison":
            command.add_argument("--runs", type=int, default=20)
    report = commands.add_parser("report")
    report.add_argument("results", type=Path)
    report.add_argument("-o", "--output", type=Path, help="folder for the charts")
    return parser


def main() -> None:
    """Do what the command line says."""
    arguments = _parser().parse_args()
    if arguments.command == "report":
        from benchmarks.loop.report import write_report

        print(write_report(Results(arguments.results), arguments.output))
        return
    import torch

    torch.set_num_threads(arguments.threads)
    arguments.work = arguments.work.resolve()
    arguments.work.mkdir(parents=True, exist_ok=True)
    path = arguments.results or arguments.work / "results.jsonl"
    results = Results(path)
    if arguments.command == "poison":
        from benchmarks.loop.poison import run_poison

        run_poison(arguments, results)
    else:
        _loop(arguments, results)


def _loop(arguments: argparse.Namespace, results: Results) -> None:
    """Prepare tasks, or run methods on them."""
    from benchmarks.loop.methods import Budget
    from benchmarks.loop.rounds import Loop

    is_run = arguments.command == "run"
    for name in arguments.task or list(TASKS):
        for method in arguments.method if is_run else ["none"]:
            budget = Budget()
            if is_run:
                budget = Budget(
                    steps=arguments.steps, seed=arguments.seed, gate=arguments.gate
                )
            loop = Loop(
                task=TASKS[name],
                stage=arguments.stage,
                method=method,
                budget=budget,
                data=arguments.data,
                work=arguments.work,
                results=results,
                slices=arguments.slices if is_run else 5,
            )
            loop.run(rounds=arguments.rounds if is_run else 0)
            last = [x for x in results.lines() if x["task"] == name][-1]
            print(name, method, "old", last["old"], "new", last["new"], flush=True)


if __name__ == "__main__":
    main()
