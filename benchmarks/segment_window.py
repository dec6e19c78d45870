"""How long the window takes from the click on Segment to labels, on the sample.

Opens a real napari window on the shipped sample, presses **Segment** as soon as the
scan is there (the engine may still be starting), and watches the Labels layer::

    python benchmarks/segment_window.py [--mirror] [--screenshot PATH]

It needs a display (``xvfb-run -a -s "-screen 0 1600x1000x24"`` makes one).
"""

from __future__ import annotations

import argparse
import json
import time

import napari
from qtpy.QtCore import QTimer

from napari_mednext.ui.__main__ import PLUGIN, SEGMENT, register_plugin
from napari_mednext.ui.samples import head_mr
from napari_mednext.ui.segment_dock import Phase

#: How often the Labels layer is looked at, in ms.
LOOK_MS = 50
#: Slice that is shown, as a fraction of the head's height.
HEIGHT = 0.45


class _Watch:
    """Presses the button and notes when labels come."""

    def __init__(
        self, viewer: napari.Viewer, dock: object, picture: str | None
    ) -> None:
        self._viewer, self._dock, self._picture = viewer, dock, picture
        self._clicked: float | None = None
        self.first_s: float | None = None
        self.done_s: float | None = None
        self._timer = QTimer()
        self._timer.timeout.connect(self._look)
        self._timer.start(LOOK_MS)

    def _look(self) -> None:
        dock = self._dock
        if self._clicked is None:
            if dock.phase is Phase.IDLE and dock.scan.layer() is not None:
                height = dock.scan.layer().data.shape[-3]
                self._viewer.dims.set_current_step(0, int(height * HEIGHT))
                self._clicked = time.monotonic()
                dock.run.start.click()
            return
        passed = time.monotonic() - self._clicked
        if self.first_s is None and self._in_view():
            self.first_s = passed
        if dock.phase is Phase.IDLE and self.first_s is not None:
            self.done_s = passed
            self._timer.stop()
            QTimer.singleShot(800, self._leave)

    def _in_view(self) -> bool:
        layers = [x for x in self._viewer.layers if isinstance(x, napari.layers.Labels)]
        here = int(self._viewer.dims.current_step[0])
        return bool(layers) and bool(layers[0].data[here].any())

    def _leave(self) -> None:
        if self._picture:
            self._viewer.screenshot(self._picture, canvas_only=False, flash=False)
        self._viewer.close()


def main() -> None:
    """Run once and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--screenshot")
    arguments = parser.parse_args()
    register_plugin()
    viewer = napari.Viewer(title="napari · MedNeXt")
    viewer.window.resize(1480, 920)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, SEGMENT)
    dock.advanced.expand(animate=False)
    dock.form.controls["mirror"].value = arguments.mirror
    dock.advanced.collapse(animate=False)
    dock.open_sample(head_mr)
    watch = _Watch(viewer, dock, arguments.screenshot)
    napari.run()
    document = {
        "mirroring": arguments.mirror,
        "first_labels_s": round(watch.first_s or -1, 2),
        "all_labels_s": round(watch.done_s or -1, 2),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
