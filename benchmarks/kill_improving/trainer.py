"""The process of an improvement as a job runs it, with checkpoints every moment.

With one every 20 seconds a training of a few seconds would never go on from a
checkpoint. The looks at what the network learns are fewer, as they take most of the
time. Nothing else differs from ``napari_mednext.app.improve_run``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.app.computing import prepare_computing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SAVE_S", "main"]

#: Seconds between two checkpoints: a few steps are lost at every kill.
SAVE_S = 0.2


def main(folder: Path) -> None:
    """Work on an improvement until it is over."""
    prepare_computing()
    from napari_mednext.app import improve_run
    from napari_mednext.training.tuning import improvement, run

    run._SAVE_S, run._SAVE_SHARE = SAVE_S, 1.0  # noqa: SLF001 - see above
    run.LOOKS, improvement._WATCHED = 4, 2  # noqa: SLF001
    improve_run.main(folder)
