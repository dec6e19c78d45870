"""Choices that outlive the window, in Qt's own place for settings of a user."""

from __future__ import annotations

from qtpy.QtCore import QSettings

__all__ = ["recall", "remember"]

_NAME = "napari-mednext"


def recall(key: str) -> bool:
    """Return what was remembered; False when nothing was."""
    return bool(_settings().value(key, False, type=bool))


def remember(key: str, *, value: bool) -> None:
    """Keep a choice; one that cannot be written is forgotten."""
    _settings().setValue(key, value)


def _settings() -> QSettings:
    """Return the settings file of the user."""
    # The same file format everywhere, so that tests can put it elsewhere.
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, _NAME)
