"""Where panels get label maps from: layers as they are now, files in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Source", "taken_from"]

#: Is called in the thread of the windows. Returns labels (z, y, x); or a function that
#: returns them and is called in a thread, for what has to be read; or None when there
#: are none now.
Source = Callable[[], "NDArray[Any] | Callable[[], NDArray[Any] | None] | None"]


def taken_from(source: Source) -> Callable[[], NDArray[Any] | None]:
    """Return a function for a thread that gives what a source holds at this moment.

    Labels that can be painted on are copied here and now: a stroke that comes while
    they are worked on changes nothing. Others are shared.

    Parameters
    ----------
    source : callable
        See :data:`Source`.
    """
    given = source()
    if callable(given):
        return given
    if given is None:
        return lambda: None
    array = np.asarray(given)
    kept = array.copy() if array.flags.writeable else array
    return lambda: kept
