"""Start napari with a dock: ``python -m napari_mednext.ui [--demo] [FILES]``."""

from __future__ import annotations

import argparse
import logging
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.ui.segment_dock import SegmentDock

__all__ = ["main"]

PLUGIN = "napari-mednext"
SEGMENT = "MedNeXt: Segment"
STUDY = "MedNeXt: Study"
#: Width and height of the window in pixels.
WINDOW_SIZE = (1480, 920)
#: Slice of the sample on which most labels show, as a fraction of its height.
DEMO_HEIGHT = 0.45
#: The window needs so long to draw before its picture is taken, in ms.
SETTLE_MS = 800


def main(arguments: Sequence[str] | None = None) -> int:
    """Open napari with the dock and return the exit code when it is closed.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING)
    import napari

    register_plugin()
    viewer = napari.Viewer(title="napari · MedNeXt")
    viewer.window.resize(*WINDOW_SIZE)
    if options.study:
        _, study = viewer.window.add_plugin_dock_widget(PLUGIN, STUDY)
        study.open_study(Path(options.study))
        napari.run()
        return 0
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, SEGMENT)
    run = _Run(viewer, dock, options)
    run.start()
    napari.run()
    return run.code


def register_plugin() -> None:
    """Make napari know the plugin where it runs from a checkout, not installed."""
    from npe2 import PluginManager, PluginManifest

    manager = PluginManager.instance()
    manager.discover()
    if PLUGIN not in {manifest.name for manifest in manager.iter_manifests()}:
        path = Path(str(files("napari_mednext") / "napari.yaml"))
        manager.register(PluginManifest.from_file(path), warn_disabled=False)


class _Run:
    """What is done without a click: open, segment, take a picture, leave."""

    def __init__(
        self, viewer: Any, dock: SegmentDock, options: argparse.Namespace
    ) -> None:
        self._viewer = viewer
        self._dock = dock
        self._options = options
        self._step = "open"
        self.code = 0

    def start(self) -> None:
        """Open what was asked for."""
        from napari_mednext.ui.samples import head_mr

        self._dock.phaseChanged.connect(self._on_phase)
        if self._options.paths:
            self._dock.open_paths([Path(path) for path in self._options.paths])
        elif self._options.demo:
            self._dock.open_sample(head_mr)
        else:
            self._end()

    def _on_phase(self) -> None:
        from qtpy.QtCore import QTimer

        from napari_mednext.ui.segment_dock import Phase

        if self._dock.phase is not Phase.IDLE or self._step == "over":
            return
        if self._step == "open" and self._options.demo:
            self._step = "segment"
            layer = self._dock.scan.layer()
            if layer is None:
                self._end()
                return
            count = layer.data.shape[-3]
            self._viewer.dims.set_current_step(0, int(count * DEMO_HEIGHT))
            QTimer.singleShot(0, self._segment)
            return
        self._end()

    def _segment(self) -> None:
        """Press the button; without a model nothing starts, and that is the end."""
        from napari_mednext.ui.segment_dock import Phase

        self._dock.segment()
        if self._dock.phase is Phase.IDLE:
            self._end()

    def _end(self) -> None:
        """Take the picture, when one is wanted, and leave."""
        from qtpy.QtCore import QTimer

        self._step = "over"
        notice = self._dock.run.notice
        if notice.level == "error":
            logging.getLogger(__name__).error("%s", notice.text())
            self.code = 1
        if self._options.screenshot:
            QTimer.singleShot(SETTLE_MS, self._on_settled)

    def _on_settled(self) -> None:
        self._viewer.screenshot(
            self._options.screenshot, canvas_only=False, flash=False
        )
        self._viewer.close()


def _parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m napari_mednext.ui")
    parser.add_argument("paths", nargs="*", help="scans to open")
    parser.add_argument(
        "--demo", action="store_true", help="open the sample head MR and segment it"
    )
    parser.add_argument(
        "--study", metavar="FOLDER", help="open a study instead of scans"
    )
    parser.add_argument(
        "--screenshot", metavar="PATH", help="save a picture of the window and leave"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
