"""Kill an editing session 200 times, and look each time for what is lost.

A real session (layer, journal, saves, database) works in a process of its own, gets
SIGKILL at a random moment, and its folder is examined: labels, provenance, the whole
history, the database. The next session goes on in the same folder, so that damage would
add up; every fifth gets a fresh one::

    python -m benchmarks.kill_editing [--kills 200] [--seed 1] [--json PATH]

Ends with code 1 at any loss. Linux and macOS.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.kill_editing.campaign import campaign, summarise
from benchmarks.kill_editing.known import LossError


def main() -> int:
    """Run, print a summary, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest-s", type=float, default=2.5, help="of a session")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            autopsies = campaign(
                Path(scratch),
                kills=arguments.kills,
                seed=arguments.seed,
                longest_s=arguments.longest_s,
                is_quiet=False,
            )
        except LossError as error:
            for line in (str(error), *getattr(error, "__notes__", ())):
                print(line, file=sys.stderr)
            return 1
    summary = summarise(autopsies)
    text = json.dumps(summary, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
