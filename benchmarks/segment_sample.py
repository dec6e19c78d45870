"""Time, memory and agreement of segmenting the shipped sample by the command.

Runs the command as a user would, in a process of its own, and reads its peak memory
from the system::

    python benchmarks/segment_sample.py [--runs 3] [--mirror] [--reference]

The time includes starting Python and importing torch.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

SAMPLES = Path(str(files("napari_mednext") / "resources" / "samples"))


def run_once(out: Path, *, mirror: bool) -> float:
    """Segment the sample once and return the seconds it took."""
    command = [
        sys.executable,
        "-m",
        "napari_mednext.cli",
        "segment",
        str(SAMPLES / "colin27_t1.nii.gz"),
        "-o",
        str(out),
        "--device",
        "cpu",
        "--overwrite",
        "--json",
    ]
    if not mirror:
        command.append("--no-mirror")
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def agreement(mask: Path) -> dict[str, float]:
    """Return the Dice of brain, white and grey matter against the reference."""
    import numpy as np

    from napari_mednext.formats import open_volume

    labels = open_volume(mask).array[0]
    reference = open_volume(SAMPLES / "colin27_labels.nii.gz").array[0]
    pairs = {
        "brain": ((1, 2, 5, 6, 7, 8, 9), (1, 2)),
        "white matter": ((2, 6), (1,)),
        "grey matter": ((1, 5, 7, 8), (2,)),
    }
    result = {}
    for name, (ours, theirs) in pairs.items():
        a, b = np.isin(labels, ours), np.isin(reference, theirs)
        result[name] = round(float(2 * (a & b).sum() / (a.sum() + b.sum())), 4)
    return result


def main() -> None:
    """Run and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--reference", action="store_true", help="also print Dice")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "mask.nii.gz"
        seconds = [
            run_once(out, mirror=arguments.mirror) for _ in range(arguments.runs)
        ]
        peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        report: dict[str, object] = {
            "seconds": [round(s, 1) for s in seconds],
            "median_s": round(statistics.median(seconds), 1),
            "peak_gb": round(peak_kib * 1024 / 1e9, 2),
        }
        if arguments.reference:
            report["dice"] = agreement(out)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
