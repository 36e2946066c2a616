"""The C library's allocator: let it keep what was freed for what comes next."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # M_TRIM_THRESHOLD and kin, of glibc's malloc.h
_LARGEST_THRESHOLD = 32 << 20  # glibc before 2.35 refuses a larger M_MMAP_THRESHOLD on 64-bit machines
_LARGEST_INT = (1 << 31) - 1


def keep_freed_memory(most: int = 256 << 20, *, whole: bool = False) -> bool:
    """Let glibc keep freed memory instead of handing it back to the system and taking it again page by page.

    Decoding thousands of pictures and training steps on a CPU free and ask for the same large blocks over and over; the
    page faults of that are a fifth and more of the time. Other C libraries are left as they are.

    Args:
        most: bytes of freed memory to keep; at most 2 GiB.
        whole: also take blocks of any size from the heap, for the activations of a network.

    Returns:
        Whether the allocator took it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    taken = mallopt(_TRIM_THRESHOLD, min(most, _LARGEST_INT)) and mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
    if whole:
        taken = taken and mallopt(_MMAP_MAX, 0)
    return bool(taken)
