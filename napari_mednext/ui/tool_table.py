"""The tools of the window: what stands on their buttons, and what they do."""

from __future__ import annotations

from dataclasses import dataclass

from napari_mednext.ui.keys import hint

__all__ = ["COLUMNS", "SECTIONS", "TOOLS", "USUAL_WIDTH", "WIDTHS", "ToolEntry"]


@dataclass(frozen=True)
class ToolEntry:
    """One tool: its name in the code, its word and icon, what it does, and its key."""

    name: str
    text: str
    icon: str
    does: str
    key: str = ""
    is_mode: bool = False
    """Whether it stays on until something is drawn or picked."""

    @property
    def tooltip(self) -> str:
        """What it does, and its key."""
        return hint(self.key, self.does) if self.key else self.does


_ERASES = (
    "The right button or Ctrl erases; [ and ] change the size; the middle button moves "
    "the picture, Alt zooms; Escape ends."
)
_CANCEL = "Escape cancels."

#: All tools by name.
TOOLS = {
    entry.name: entry
    for entry in (
        ToolEntry(
            "ball",
            "Ball",
            "ball",
            f"Paint with a ball, through several slices. {_ERASES} The key changes "
            "between ball and disc.",
            "ball_brush",
            is_mode=True,
        ),
        ToolEntry(
            "disc",
            "Disc",
            "disc",
            f"Paint with a disc, on the slice only. {_ERASES} The key changes between "
            "ball and disc.",
            "ball_brush",
            is_mode=True,
        ),
        ToolEntry(
            "inside",
            "Inside",
            "inside",
            f"Scribble on what belongs to the label. {_CANCEL}",
            is_mode=True,
        ),
        ToolEntry(
            "outside",
            "Outside",
            "outside",
            f"Scribble on what does not belong to the label. {_CANCEL}",
            is_mode=True,
        ),
        ToolEntry(
            "grow",
            "Grow",
            "grow",
            "Grow the label from the scribbles, up to the edges of the image",
            "grow",
        ),
        ToolEntry(
            "interpolate",
            "Interpolate",
            "interpolate",
            "Fill the slices between drawn ones, across the plane on screen",
            "interpolate",
        ),
        ToolEntry(
            "copy_next",
            "Copy next",
            "copy_next",
            "Copy the label on this slice to the next one, and go there",
            "copy_onward",
        ),
        ToolEntry(
            "copy_previous",
            "Copy prev.",
            "copy_previous",
            "Copy the label on this slice to the one before, and go there",
        ),
        ToolEntry(
            "mirror",
            "Mirror",
            "mirror",
            "Add the mirror image of the label, left to right. At the slice on screen "
            "in the sagittal plane, else in the middle of the volume; to the other "
            "label where one is chosen.",
            "mirror",
        ),
        ToolEntry(
            "smooth", "Smooth", "smooth", "Smooth the surface of the label", "smooth"
        ),
        ToolEntry("dilate", "Dilate", "dilate", "Grow the label on all sides"),
        ToolEntry("erode", "Erode", "erode", "Shrink the label on all sides"),
        ToolEntry(
            "snap",
            "Snap",
            "snap",
            "Move the outline of the label to the edges of the image within reach",
            "snap",
        ),
        ToolEntry(
            "fill_holes",
            "Fill holes",
            "holes",
            "Fill what the label closes in on all sides",
            "fill_holes",
        ),
        ToolEntry(
            "fill_slices",
            "Fill slices",
            "holes_slice",
            "Fill what the label closes in within each slice of the plane on screen",
        ),
        ToolEntry(
            "lasso",
            "Lasso",
            "lasso",
            "Draw around a part of the label to cut it away. The cut goes through the "
            f"slices, as chosen beside it. {_CANCEL}",
            "lasso",
            is_mode=True,
        ),
        ToolEntry(
            "plane",
            "Plane",
            "plane",
            "Draw a line to cut the label through all slices. The smaller part is cut "
            f"away. {_CANCEL}",
            is_mode=True,
        ),
        ToolEntry(
            "keep_largest",
            "Largest",
            "largest",
            "Keep the largest island, remove the others",
            "keep_largest",
        ),
        ToolEntry(
            "remove_smaller",
            "Small ones",
            "remove",
            "Remove the islands that are smaller than the volume beside it",
        ),
        ToolEntry(
            "keep_one",
            "Keep one",
            "pick",
            f"Click on the island to keep. The others are removed. {_CANCEL}",
            is_mode=True,
        ),
        ToolEntry(
            "remove_one",
            "Drop one",
            "pick_out",
            f"Click on the island to remove. {_CANCEL}",
            is_mode=True,
        ),
        ToolEntry(
            "split",
            "Split",
            "split",
            "Give the islands labels of their own, biggest first. The other label, or "
            "those of the study that are not used yet.",
        ),
        ToolEntry(
            "part",
            "Part",
            "part",
            "Part two bodies that touch: click on both. The second gets the other "
            f"label, or one that is not used yet. {_CANCEL}",
            is_mode=True,
        ),
        ToolEntry(
            "segment_box",
            "Segment",
            "segment_box",
            "Draw a box to have the model segment it again. What a person painted or "
            f"confirmed stays. {_CANCEL}",
            "resegment",
            is_mode=True,
        ),
        ToolEntry(
            "answer_box",
            "Answer",
            "answer",
            f"Draw a box to take the model's answer back in it. {_CANCEL}",
            "restore",
            is_mode=True,
        ),
        ToolEntry(
            "answer_slice",
            "Answer slice",
            "answer",
            "Take the model's answer back on the slice on screen",
        ),
        ToolEntry(
            "review_box",
            "Review",
            "review_box",
            f"Draw a box to tick it as reviewed. {_CANCEL}",
            is_mode=True,
        ),
    )
}

#: The sections of the panel: rows of tools and options.
SECTIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Draw": (
        ("ball", "disc", "radius"),
        ("inside", "outside", "grow"),
        ("method",),
    ),
    "Between slices": (
        ("interpolate", "contours"),
        ("copy_next", "copy_previous", "mirror"),
    ),
    "Shape": (
        ("smooth", "dilate", "erode"),
        ("size",),
        ("snap", "reach"),
        ("fill_holes", "fill_slices", "plane"),
        ("lasso", "cut"),
    ),
    "Islands": (
        ("keep_largest", "keep_one", "remove_one"),
        ("split", "part"),
        ("remove_smaller", "island"),
    ),
    "Boxes and the model": (
        ("segment_box", "answer_box", "review_box"),
        ("answer_slice", "depth"),
    ),
}

#: A row is so many columns wide; a button has four, or what stands here.
COLUMNS, USUAL_WIDTH = 12, 4
WIDTHS = {
    "answer_slice": 6,
    "ball": 3,
    "contours": 8,
    "cut": 8,
    "depth": 6,
    "disc": 3,
    "island": 8,
    "method": 12,
    "part": 6,
    "radius": 6,
    "reach": 8,
    "size": 12,
    "split": 6,
}
