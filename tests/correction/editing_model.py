"""An independent model of editing: whole arrays, kept for every step."""

from __future__ import annotations

import numpy as np

HUMAN, REVIEWED, SOURCES = 0x81, 0x80, 0x7F


class Model:
    """Labels and provenance after each step, as plain copies."""

    def __init__(self, shape, dtype=np.uint8):
        self.states = [(np.zeros(shape, dtype), np.zeros(shape, np.uint8))]
        self.at = 0

    @property
    def labels(self):
        return self.states[self.at][0]

    @property
    def provenance(self):
        return self.states[self.at][1]

    def add(self, labels, provenance):
        """A step that changes nothing is none."""
        if np.array_equal(labels, self.labels) and np.array_equal(
            provenance, self.provenance
        ):
            return
        del self.states[self.at + 1 :]
        self.states.append((labels, provenance))
        self.at += 1

    def paint(self, mask, value):
        labels, provenance = self.labels.copy(), self.provenance.copy()
        changed = mask & (labels != value)
        labels[changed] = value
        provenance[changed] = HUMAN
        if changed.any():
            self.add(labels, provenance)

    def predict(self, answer, code, *, keep=True):
        kept = (self.provenance & REVIEWED > 0) & keep
        labels = np.where(kept, self.labels, answer).astype(self.labels.dtype)
        provenance = np.where(kept, self.provenance, code).astype(np.uint8)
        self.add(labels, provenance)

    def review(self, box, *, on):
        provenance = self.provenance.copy()
        part = provenance[box]
        if on:
            part |= REVIEWED
        else:
            part[part != HUMAN] &= SOURCES
        self.add(self.labels.copy(), provenance)

    def undo(self):
        self.at = max(0, self.at - 1)

    def redo(self):
        self.at = min(len(self.states) - 1, self.at + 1)
