"""A form made from a settings class: names, help, ranges and choices come from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from napari_mednext.settings import FieldInfo, Settings, describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magicgui.widgets.bases import ValueWidget

__all__ = ["SettingsForm"]

#: How a field is called where its name alone is not what people say.
TITLES = {
    "step": "Tile step",
    "mirror": "Mirroring",
    "engine": "Engine",
    "max_ram_gb": "Memory limit (GB)",
    "ema_decay": "Mean of weights",
    "checkpointing": "Compute twice",
    "warmup": "Warm-up",
}
#: Fractions nearer to 0 or 1 are typed, in steps of so much.
_FINE, _FINE_STEP = 0.05, 0.0001
#: What an empty optional number reads as.
AUTOMATIC = "automatic"

Kind = TypeVar("Kind", bound=Settings)


class SettingsForm(QWidget, Generic[Kind]):
    """Shows the fields of a settings class and returns what was set.

    Parameters
    ----------
    kind : subclass of Settings
        What :meth:`settings` returns.
    leave_out : iterable of str
        Fields that are set elsewhere.
    """

    def __init__(
        self,
        kind: type[Kind],
        *,
        leave_out: Iterable[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._kind = kind
        skipped = set(leave_out)
        self._fields = [info for info in describe(kind) if info.name not in skipped]
        self.controls: dict[str, ValueWidget[Any]] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(10)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        for info in self._fields:
            control = _control(info)
            self.controls[info.name] = control
            label = QLabel(_title(info))
            label.setToolTip(info.help)
            label.setBuddy(control.native)
            layout.addRow(label, control.native)

    def settings(self, **others: object) -> Kind:
        """Return what is set; the fields left out come from ``others``.

        Raises
        ------
        SettingsError
            If a value lies outside its domain.
        """
        values = {
            info.name: _value(info, self.controls[info.name].value)
            for info in self._fields
        }
        return self._kind(**values, **others)


def _title(info: FieldInfo) -> str:
    """Return what a field is called on screen."""
    return TITLES.get(info.name, info.name.replace("_", " ").capitalize())


def _value(info: FieldInfo, shown: Any) -> Any:
    """Return a field's value from what its control shows."""
    if info.optional and info.kind in (int, float) and not shown:
        return None
    # Only boxes for fractions can say "automatic".
    return info.kind(shown) if info.kind is int else shown


def _control(info: FieldInfo) -> ValueWidget[Any]:
    """Return the control of one field."""
    from magicgui.widgets import create_widget

    options: dict[str, Any] = {"tooltip": info.help}
    kind: str | None = None
    if info.choices:
        options["choices"] = list(info.choices)
        kind = "ComboBox"
    elif info.kind is bool:
        options["text"] = ""
    elif info.kind in (int, float):
        kind, limits = _number(info)
        options |= limits
    value = 0 if info.optional and info.default is None else info.default
    control: Any = create_widget(
        value=value, annotation=info.kind, widget_type=kind, options=options
    )
    control.native.setAccessibleName(_title(info))
    if info.optional and info.kind in (int, float):
        control.native.setSpecialValueText(AUTOMATIC)
        if info.kind is int:
            control.native.setDecimals(0)
    return control  # type: ignore[no-any-return]  # every kind above has a value


def _is_fine(default: object) -> bool:
    """Whether a fraction is so near to 0 or 1 that a slider cannot set it."""
    if not isinstance(default, float):
        return False
    return 0 < default < _FINE or 0 < 1 - default < _FINE


def _number(info: FieldInfo) -> tuple[str, dict[str, Any]]:
    """Return the control and the limits of a number."""
    limits: dict[str, Any] = {"step": 1 if info.kind is int else 0.05}
    lower = info.range.minimum if info.range else None
    upper = info.range.maximum if info.range else None
    if info.optional:
        limits = {"step": 1, "min": 0, "max": upper if upper is not None else 4096}
        return "FloatSpinBox", limits
    if info.kind is float and _is_fine(info.default):
        limits = {"step": _FINE_STEP, "min": lower or 0.0, "max": upper or 1e9}
        return "FloatSpinBox", limits
    if lower is not None and upper is not None:
        limits |= {"min": lower, "max": upper}
        return ("Slider" if info.kind is int else "FloatSlider"), limits
    limits |= {"min": lower if lower is not None else -1e9}
    limits |= {"max": upper if upper is not None else 1e9}
    return ("SpinBox" if info.kind is int else "FloatSpinBox"), limits
