"""Errors that a user can mend: one line that names the thing, the fault and the remedy."""

from __future__ import annotations

import errno
from pathlib import Path

_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_PLACE = (errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)
_NO_SPACE = (errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOSPC)
_MENDABLE = frozenset((*_NO_RIGHT, *_NO_PLACE, *_NO_SPACE))
"""What a system refuses for want of a right, a place or space."""


def printable(text: str) -> str:
    """A file's name as a line of text can show it: what would break the line, turn it round or order a terminal about
    is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def mendable(error: CxrlensError | OSError) -> CxrlensError | None:
    """What a user can mend: the error itself, or a refusal of the system that nobody on the way put into words;
    ``None`` where it is a fault of the program's own."""
    if isinstance(error, CxrlensError):
        return error
    if error.errno not in _MENDABLE:
        return None
    thing = error.filename or error.filename2 or "the system"
    fault = f"cannot be read or written ({error.strerror})"
    return CxrlensError(str(thing), fault, "check its permissions, and the space left on its disk")


class CxrlensError(Exception):
    """Base of every error that the command line prints as one line with exit code 2.

    Args:
        subject: the file, folder, column or option that is at fault.
        fault: what is wrong with it.
        remedy: what the user can do.
    """

    def __init__(self, subject: str | Path, fault: str, remedy: str) -> None:
        self.subject = str(subject)
        # Libraries quote what stands in a file, whatever that is.
        self.fault, self.remedy = (printable(" ".join(text.splitlines())) for text in (fault, remedy))
        super().__init__(f"{printable(self.subject)}: {self.fault}; {self.remedy}")

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


class WriteError(CxrlensError, OSError):
    """A file or a folder that cannot be written: no right to, no such place, no space. Also the system's own error."""

    @classmethod
    def of(cls, path: str | Path, error: OSError) -> WriteError:
        """For what the system said when ``path`` was to be written."""
        made = cls(path, f"cannot be written ({error.strerror or error})", "choose another place, or free some space")
        made.errno, made.strerror = error.errno, error.strerror
        return made

    def __str__(self) -> str:
        """The line, not the system's number for it."""
        return str(self.args[0])


class CxrlensWarning(UserWarning):
    """Something the user should know that does not stop the work."""
