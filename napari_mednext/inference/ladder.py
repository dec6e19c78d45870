"""What to do when a device runs out of memory: go on with less of it.

The steps, each tried once, for the rest of the run: the sums move to main memory, the
network works in pieces if it can, then it moves to the processor. Finished tiles stay
in the sums; only the tile that did not fit runs again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from napari_mednext.errors import ResourceError
from napari_mednext.inference.devices import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_mednext.inference.accumulate import Accumulator
    from napari_mednext.inference.engines import Engine

__all__ = ["Ladder", "Placement", "placements"]

_LOG = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Placement:
    """Where the parts of a run lie, and how that is told to the user."""

    network: str
    sums: str
    note: str = ""
    in_pieces: bool = False


def placements(
    device: str, *, sums_on_device: bool, can_work_in_pieces: bool = False
) -> tuple[Placement, ...]:
    """Return the placements to try, the fastest first.

    Parameters
    ----------
    device : str
        Where the network should run.
    sums_on_device : bool
        Whether the sums are planned to lie there too.
    can_work_in_pieces : bool
        Whether the network offers a smaller working set.

    Returns
    -------
    tuple of Placement
    """
    if device == "cpu":
        return (Placement("cpu", "cpu"),)
    first = Placement(device, device if sums_on_device else "cpu")
    to_ram = Placement(
        device,
        "cpu",
        f"{device} ran out of memory: went on with the sums in main memory",
    )
    in_pieces = Placement(
        device,
        "cpu",
        f"{device} ran out of memory: went on with the network in pieces, which takes "
        "longer",
        in_pieces=True,
    )
    to_processor = Placement(
        "cpu",
        "cpu",
        f"{device} ran out of memory: went on with the network on the processor, "
        "which is slower",
    )
    steps = [first]
    if sums_on_device:
        steps.append(to_ram)
    if can_work_in_pieces:
        steps.append(in_pieces)
    return (*steps, to_processor)


class Ladder:
    """Runs work on the present placement and steps down when memory runs out.

    Parameters
    ----------
    steps : tuple of Placement
        What :func:`placements` returned.
    engine : Engine
        Moved along.
    """

    def __init__(self, steps: tuple[Placement, ...], engine: Engine) -> None:
        self._steps = list(steps)
        self._engine = engine
        self.notes: list[str] = []
        self.run(lambda: engine.move(self.placement.network))

    @property
    def placement(self) -> Placement:
        """Where things lie now."""
        return self._steps[0]

    def run(
        self, work: Callable[[], Result], accumulator: Accumulator | None = None
    ) -> Result:
        """Return what ``work`` returns, trying again with less memory when it runs out.

        Parameters
        ----------
        work : callable
            Must leave nothing changed when it raises.
        accumulator : Accumulator, optional
            Moved to where the placement says before each further try.

        Returns
        -------
        Result
            What ``work`` returned.

        Raises
        ------
        ResourceError
            If memory runs out on the last placement.
        RuntimeError
            If ``work`` fails for another reason than memory.
        """
        while True:
            try:
                return work()
            except MemoryError:
                reason = "main memory"
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                # The traceback holds the tensors of the failed try: keep its text only.
                reason = str(error).splitlines()[0] if str(error) else "no reason given"
            self._step_down(reason, accumulator)

    def _step_down(self, reason: str, accumulator: Accumulator | None) -> None:
        """Take the next placement, or refuse."""
        before = self._steps[0]
        if len(self._steps) == 1:
            msg = (
                f"the run must fit into the memory of {before.network}, it did not "
                f"({reason}): close other programs or set a lower max_ram_gb"
            )
            raise ResourceError(msg)
        del self._steps[0]
        now = self._steps[0]
        _LOG.warning("%s: %s", now.note, reason)
        self.notes.append(now.note)
        if accumulator is not None:
            accumulator.move(now.sums)
        if now.in_pieces != before.in_pieces:
            self._engine.work_in_pieces(on=now.in_pieces)
        if now.network != before.network:
            self._engine.move(now.network)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
