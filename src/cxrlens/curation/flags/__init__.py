"""Flags: one suspicion a file, each with a name, a score in [0, 1] (higher is more suspicious) and a reason in words.

Most look at one image. ``rotated``, ``inverted`` and ``not-a-chest`` compare each image with its collection.
"""

from collections.abc import Mapping
from types import MappingProxyType

from cxrlens.curation.flags import blank, blurred, borders, clipped, lateral, odd_shape, small, tinted, typical
from cxrlens.curation.flags.flag import Flag

FLAGS: Mapping[str, Flag] = MappingProxyType(
    {
        flag.name: flag
        for flag in (
            blank.FLAG,
            clipped.FLAG,
            tinted.FLAG,
            small.FLAG,
            odd_shape.FLAG,
            blurred.FLAG,
            borders.FLAG,
            lateral.FLAG,
            typical.ROTATED,
            typical.INVERTED,
            typical.NOT_A_CHEST,
        )
    }
)
"""Every flag by name, in the order in which reasons are given."""

__all__ = ["FLAGS", "Flag"]
