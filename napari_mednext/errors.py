"""Every exception that this package raises on purpose.

::

    MednextError
    ├── InputError (ValueError)         what the user gave cannot be used
    │   ├── FormatError                 the file is not a readable volume
    │   ├── GeometryError               the voxel grid is impossible or differs
    │   ├── ChannelError                wrong number of channels or frames
    │   └── SettingsError               a setting lies outside its domain
    ├── ModelError (ValueError)         a model folder cannot be used
    │   └── UnsafeModelError            loading it would run foreign code
    ├── ResourceError (RuntimeError)    memory or a device is missing
    ├── StorageError (OSError)          a file or folder cannot be written
    └── Cancelled                       the user stopped the work; not a failure

A message is one sentence: what must hold, what was given, what to do. It starts
with a lower-case letter and has no full stop, so that it can be shown after a name.
"""

from __future__ import annotations

__all__ = [
    "Cancelled",
    "ChannelError",
    "FormatError",
    "GeometryError",
    "InputError",
    "MednextError",
    "ModelError",
    "ResourceError",
    "SettingsError",
    "StorageError",
    "UnsafeModelError",
]


class MednextError(Exception):
    """The root of every error that a person may see as a sentence."""


class InputError(MednextError, ValueError):
    """What the user gave cannot be used as it is."""


class FormatError(InputError):
    """The file or folder holds no volume that can be read."""


class GeometryError(InputError):
    """A voxel grid is impossible, or differs from the one it must equal."""


class ChannelError(InputError):
    """A volume has the wrong number of channels or no chosen frame.

    ``frames`` is how many there are to choose from when a frame has to be chosen.
    """

    frames: int = 0


class SettingsError(InputError):
    """A setting lies outside its domain."""


class ModelError(MednextError, ValueError):
    """A model folder is missing, damaged or of an unknown kind."""


class UnsafeModelError(ModelError):
    """Loading a model file would run code that came with the file."""


class ResourceError(MednextError, RuntimeError):
    """There is not enough memory, or the wanted device is not there."""


class StorageError(MednextError, OSError):
    """A file or folder cannot be written."""


class Cancelled(MednextError):  # noqa: N818 - an outcome, not a failure
    """The user stopped the work; nothing half-written is left."""
