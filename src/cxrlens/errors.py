"""Errors that a user can mend: one line that names the thing, the fault and the remedy."""

from __future__ import annotations

from pathlib import Path


class CxrlensError(Exception):
    """Base of every error that the command line prints as one line with exit code 2.

    Args:
        subject: the file, folder, column or option that is at fault.
        fault: what is wrong with it.
        remedy: what the user can do.
    """

    def __init__(self, subject: str | Path, fault: str, remedy: str) -> None:
        self.subject = str(subject)
        self.fault = fault
        self.remedy = remedy
        super().__init__(f"{self.subject}: {fault}; {remedy}".replace("\n", " "))

    def __reduce__(self) -> tuple[type[CxrlensError], tuple[str, str, str]]:
        """Errors cross process pools: rebuild from the three parts, not from the joined line."""
        return type(self), (self.subject, self.fault, self.remedy)


class UnreadableImageError(CxrlensError):
    """An image file that gives no trustworthy pixels. One of these never stops the rest of a collection."""


class CollectionError(CxrlensError):
    """A folder that cannot be taken as a collection of radiographs."""


class ManifestError(CxrlensError):
    """A manifest with missing columns or impossible values."""


class DatasetError(CxrlensError):
    """A dataset folder that is incomplete or does not fit what is asked of it."""


class RunError(CxrlensError):
    """A run folder that is incomplete, of another version, or corrupt."""


class OptionError(CxrlensError):
    """An option or configuration value that cannot be met."""


class CxrlensWarning(UserWarning):
    """Something the user should know that does not stop the work."""
