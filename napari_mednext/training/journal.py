"""Telling what happens in a training: to the log, the page and who listens."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from napari_mednext.training.examples import examples_picture
from napari_mednext.training.history import Event, History
from napari_mednext.training.page import training_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_mednext.training.mapping_table import MappingTable
    from napari_mednext.training.run_folder import RunFolder
    from napari_mednext.training.validation import Validation

__all__ = ["Journal"]

_LOG = logging.getLogger(__name__)


class Journal:
    """Writes events as they come, and the page when it is asked to.

    Parameters
    ----------
    files : RunFolder
        Where to; the history begins with the events that are there.
    table : MappingTable
        Names and colours of the classes.
    on_event : callable, optional
        Called with each event; see :mod:`.history`.
    """

    def __init__(
        self,
        files: RunFolder,
        table: MappingTable,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.history = History.of(files.read_events())
        self._files = files
        self._table = table
        self._on_event = on_event

    def tell(self, kind: str, step: int, **content: Any) -> None:
        """Tell an event of a kind after so many steps."""
        event = {"time": time.time(), "event": kind, "step": step, **content}
        self._files.add_event(event)
        self.history.add(event)
        if self._on_event is not None:
            self._on_event(event)

    def tell_validation(self, step: int, result: Validation, seconds: float) -> None:
        """Tell the Dice of each class by name, and keep a picture of the examples."""
        labels = self._table.labels
        dice = {
            labels.names.get(k, f"label {k}"): round(v, 4)
            for k, v in result.dice.items()
        }
        picture = examples_picture(result.examples, labels.colors)
        self._files.write(self._files.examples, picture)
        self.tell("validation", step, dice=dice, seconds=round(seconds, 3))
        _LOG.info("step %d: %s", step, dice)

    def write_page(self) -> None:
        """Write the page of the training anew."""
        path, labels = self._files.examples, self._table.labels
        colors = {
            labels.names[value]: "#{:02x}{:02x}{:02x}".format(*color)
            for value, color in labels.colors.items()
        }
        page = training_page(
            self.history,
            title=str(self._table.card.get("title") or "Training from label maps"),
            colors=colors,
            picture=path.read_bytes() if path.exists() else None,
        )
        self._files.write(self._files.page, page.encode())
