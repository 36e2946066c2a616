"""Errors of the node that a user can mend, and the one that time mends."""

from __future__ import annotations

from cxrlens.errors import CxrlensError


class NodeError(CxrlensError):
    """A queue folder, port or archive that cannot be used."""


class ArchiveDownError(CxrlensError):
    """The archive does not answer, or takes nothing now: results wait, and are sent again later."""
