"""What a library said of a file, for an error line."""

from __future__ import annotations


def short(error: BaseException) -> str:
    """Its first line, as far as a line of ours has room for it; its name where it said nothing."""
    return (str(error) or type(error).__name__).split("\n")[0][:120]
