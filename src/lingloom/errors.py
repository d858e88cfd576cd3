"""Everything that Lingloom raises on purpose.

LingloomError
├── RecipeError      a key, a value or a file named in a recipe is wrong
├── DataError        a document, a row, a token id or a stored file is not what was promised
│   └── FieldError   the rows of a file have no such field; `near` is the one that may be meant
├── ShapeError       a tensor or a length does not fit the model
├── RunError         a run cannot start or go on (loss not finite, disk full, folder in use)
└── MissingError     an optional package is not installed; the message gives the line that mends it

A message has three parts, with the values in it: what is wrong, where, what to do.
"""


class LingloomError(Exception):
    """Base of all errors raised on purpose: catch it to catch them all."""


class RecipeError(LingloomError, ValueError):
    """The recipe is wrong. The message names the key, where it was set, and what would do."""


class DataError(LingloomError, ValueError):
    """A document, a row, a token id or a stored file is not what was promised."""


class FieldError(DataError):
    """The rows of a file have no such field."""

    def __init__(self, message: str, near: str = ""):
        super().__init__(message)
        self.near = near
        """The field that may be meant; empty where none is like it."""

    def __reduce__(self) -> tuple[type["FieldError"], tuple[str, str]]:
        return FieldError, (str(self), self.near)  # may cross processes


class ShapeError(LingloomError, ValueError):
    """A tensor or a length does not fit the model."""


class RunError(LingloomError, RuntimeError):
    """A run cannot start or go on."""


class MissingError(LingloomError, ImportError):
    """An optional package is not installed; `extra` is empty where it is in none of ours."""

    def __init__(self, package: str, extra: str, purpose: str):
        wanted = f"'lingloom[{extra}]'" if extra else package
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed; "
            f"run: pip install {wanted}"
        )
        self.package, self.extra, self.purpose = package, extra, purpose

    def __reduce__(self) -> tuple[type["MissingError"], tuple[str, str, str]]:
        return MissingError, (self.package, self.extra, self.purpose)  # may cross processes
