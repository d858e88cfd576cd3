"""A config.json as it is read, and the errors that name its fields."""

import json
from pathlib import Path
from typing import Any

from ...errors import DataError

CONFIG_BYTES = 10_000_000
"""Largest config.json that is read."""


class Config:
    """A config.json, and the errors that name its fields."""

    def __init__(self, path: Path):
        self.path = path
        try:
            if path.stat().st_size > CONFIG_BYTES:
                raise DataError(f"{path}: over {CONFIG_BYTES} bytes is no configuration; copy it")
            values = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}); give the folder of a model that was "
                f"saved to the end"
            ) from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: is not JSON ({error}); copy the folder again") from None
        if not isinstance(values, dict):
            raise DataError(f"{path}: is not a table of fields; copy the folder again")
        self.values: dict[str, Any] = values

    def get(self, field: str, default: Any = None) -> Any:
        """The field's value, or `default` where it is left out or null."""
        value = self.values.get(field)
        return default if value is None else value

    def need(self, field: str) -> Any:
        """The field's value, which must be there."""
        if self.get(field) is None:
            raise DataError(f"{self.path}: no field '{field}'; copy the folder again")
        return self.values[field]

    def table(self, field: str) -> dict[str, Any]:
        """The field's value, which must be a table; empty where it is left out."""
        value = self.get(field, {})
        if not isinstance(value, dict):
            self.refuse(field, "a table is expected")
        return dict(value)

    def only(self, field: str, *values: Any) -> None:
        """Refuse any value but these; a field that is left out has the first."""
        if self.get(field, values[0]) not in values:
            self.refuse(field, f"supported is {' or '.join(repr(value) for value in values)}")

    def refuse(self, field: str, remedy: str) -> None:
        """Raise the error that names `field` and its value."""
        raise DataError(f"{self.path}: field '{field}' is {self.values.get(field)!r}; {remedy}")
