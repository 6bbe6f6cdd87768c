"""The query of a request, read as the API reads it."""

from __future__ import annotations

from urllib.parse import parse_qs

from afflux.controlplane.errors import FieldError, invalid_option

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True", ""})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_MANAGER_LENGTH = 128


class Options:
    """Query parameters. ``kind`` names the options type in errors: ``CreateOptions``, ``ListOptions`` and so on."""

    __slots__ = ("_values", "kind")

    def __init__(self, query: str, kind: str = "ListOptions") -> None:
        self._values = parse_qs(query, keep_blank_values=True) if query else {}
        self.kind = kind

    def text(self, name: str) -> str:
        values = self._values.get(name)
        return values[0] if values else ""

    def has(self, name: str) -> bool:
        return name in self._values

    def flag(self, name: str) -> bool:
        """True for ``1``, ``true``, ``True`` and an empty value, as Go and Python clients write it."""
        values = self._values.get(name)
        return values is not None and values[0] in _TRUE

    def optional_flag(self, name: str) -> bool | None:
        return self.flag(name) if name in self._values else None

    def number(self, name: str) -> int | None:
        """A whole number that isn't negative; None for anything else, and past what 64 bits hold."""
        text = self.text(name)
        return int(text) if len(text) < 20 and text.isascii() and text.isdigit() else None

    @property
    def dry_run(self) -> bool:
        values = [value for value in self._values.get("dryRun", ()) if value]
        if any(value != "All" for value in values):
            listed = ", ".join(f'"{value}"' for value in values)
            self._refuse("dryRun", "FieldValueNotSupported", f'Unsupported value: [{listed}]: supported values: "All"')
        return bool(values)

    @property
    def field_validation(self) -> str:
        """``Strict``, ``Warn`` (the default) or ``Ignore``."""
        value = self.text("fieldValidation")
        if value not in _VALIDATIONS:
            supported = ", ".join(f'"{each}"' for each in _VALIDATIONS)
            words = f'Unsupported value: "{value}": supported values: {supported}'
            self._refuse("fieldValidation", "FieldValueNotSupported", words)
        return value or "Warn"

    def field_manager(self, user_agent: str) -> str:
        """Who owns what is written: the option, else the user agent's name."""
        manager = self.text("fieldManager")
        if len(manager) > _MANAGER_LENGTH:
            self._refuse("fieldManager", "FieldValueTooLong", "Too long: may not be more than 128 bytes")
        if manager:
            return manager
        return (user_agent.partition("/")[0] or "unknown")[:_MANAGER_LENGTH]

    def _refuse(self, field: str, reason: str, message: str) -> None:
        raise invalid_option(self.kind, [FieldError(reason, message, field)])
