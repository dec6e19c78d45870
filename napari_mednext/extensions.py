"""How other packages add networks, normalisations and label presets.

A package states an entry point in the group ``mednext.extensions`` and marks functions
with ``HookImplementationMarker("mednext")`` of napari-plugin-engine::

    # pyproject.toml of the other package
    [project.entry-points."mednext.extensions"]
    my-package = "my_package.mednext"

    # my_package/mednext.py
    from napari_plugin_engine import HookImplementationMarker

    hook = HookImplementationMarker("mednext")


    @hook
    def mednext_networks():
        return {"my_package.MyNet": "my_package.network:MyNet"}

Classes and functions are named as ``"module:name"`` and imported when they are used, so
finding extensions imports no torch. An extension that fails is left out and named in
:attr:`Extensions.problems`; it cannot take the application with it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from napari_plugin_engine import HookSpecificationMarker, PluginError, PluginManager

__all__ = [
    "ENTRY_POINT_GROUP",
    "PROJECT",
    "Extensions",
    "discover",
    "make_manager",
    "normalisations",
    "registered_networks",
]

#: Name of the project in hook markers.
PROJECT = "mednext"
#: Group of the entry points that are looked for.
ENTRY_POINT_GROUP = "mednext.extensions"

_LOGGER = logging.getLogger(__name__)
_Hook = TypeVar("_Hook", bound=Callable[..., object])
_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _specification(function: _Hook) -> _Hook:
    """Mark a specification; the engine's own marker carries no types."""
    marked: _Hook = HookSpecificationMarker(PROJECT)(function)
    return marked


class HookSpecifications:
    """The hooks that an extension may implement, each of them or none."""

    @staticmethod
    @_specification
    def mednext_networks() -> dict[str, str]:  # type: ignore[empty-body]  # never called
        """Return network class name, as in ``plans.json`` -> ``"module:Class"``.

        The class is called with ``input_channels``, ``num_classes``,
        ``deep_supervision`` and the plans' ``arch_kwargs``.
        """

    @staticmethod
    @_specification
    def mednext_normalisations() -> dict[str, str]:  # type: ignore[empty-body]  # never called
        """Return normalisation scheme, as in ``plans.json`` -> ``"module:function"``.

        The function is one as ``napari_mednext.preprocessing.normalize`` describes.
        """

    @staticmethod
    @_specification
    def mednext_label_presets() -> dict[str, dict[int, str]]:  # type: ignore[empty-body]  # never called
        """Return name of a preset -> label value (1..65535) -> name of the label."""


@dataclass(frozen=True)
class Extensions:
    """What all extensions together bring; of two with one name the first found counts.

    ``problems`` holds one sentence for everything that could not be used.
    """

    networks: Mapping[str, str] = field(default_factory=dict)
    normalisations: Mapping[str, str] = field(default_factory=dict)
    label_presets: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def make_manager() -> PluginManager:
    """Return a manager that knows the hooks and has looked for nothing yet."""
    manager = PluginManager(PROJECT, discover_entry_point=ENTRY_POINT_GROUP)
    manager.add_hookspecs(HookSpecifications)
    return manager


def discover(manager: PluginManager | None = None) -> Extensions:
    """Find the installed extensions and ask each what it brings.

    Parameters
    ----------
    manager : PluginManager, optional
        With extensions already registered; a new one that looks for them when None.

    Returns
    -------
    Extensions
        Also when extensions fail: see its ``problems``.
    """
    problems: list[str] = []
    if manager is None:
        manager = make_manager()
        _, errors = manager.discover()
        problems += [_problem(error.plugin_name, error) for error in errors]
    networks = _collect(manager, "mednext_networks", _is_place, problems)
    schemes = _collect(manager, "mednext_normalisations", _is_place, problems)
    presets = _collect(manager, "mednext_label_presets", _is_preset, problems)
    for problem in problems:
        _LOGGER.warning("%s", problem)
    return Extensions(networks, schemes, presets, tuple(problems))


def registered_networks() -> dict[str, str]:
    """Return network class name -> "module:Class" of all extensions."""
    return dict(discover().networks)


def normalisations() -> dict[str, str]:
    """Return normalisation scheme -> "module:function" of all extensions."""
    return dict(discover().normalisations)


def _problem(name: object, error: object) -> str:
    """Return the sentence about an extension that failed."""
    cause = getattr(error, "__cause__", None) or error
    return (
        f"the extension {name} must be usable, got {type(cause).__name__} "
        f"({cause}): update or remove it"
    )


def _collect(
    manager: PluginManager,
    hook_name: str,
    is_valid: Callable[[object], bool],
    problems: list[str],
) -> dict[str, Any]:
    """Ask every extension for one hook and keep what is sound."""
    merged: dict[str, Any] = {}
    hook = getattr(manager.hook, hook_name)
    for implementation in hook.get_hookimpls():  # in the order of registration
        name = implementation.plugin_name
        try:
            brought = hook(_plugin=name)
        except PluginError as error:  # what the engine makes of anything raised
            problems.append(_problem(name, error))
            continue
        entries = brought.items() if isinstance(brought, Mapping) else [(None, brought)]
        for key, value in entries:
            if not isinstance(key, str) or not is_valid(value):
                problems.append(
                    f"the extension {name} must return names and what they stand for "
                    f"from {hook_name}, got {key!r}: {value!r}: update or remove it"
                )
            elif key in merged:
                problems.append(
                    f"an extension must bring names of its own, got {key!r} again from "
                    f"{name}: the first one is used, remove one of them"
                )
            else:
                merged[key] = value
    return merged


def _is_place(value: object) -> bool:
    """Whether a value is ``"module:name"``."""
    return isinstance(value, str) and _PLACE.fullmatch(value) is not None


def _is_preset(value: object) -> bool:
    """Whether a value is label value -> name."""
    return isinstance(value, Mapping) and all(
        isinstance(number, int) and isinstance(name, str)
        for number, name in value.items()
    )
