"""Checks: one question a file. Those that look at the picture alone come first, since they cost next to nothing."""

from cxrlens.gate.checks import blank, clipped, coloured, lateral, odd_shape, small
from cxrlens.gate.checks.asked import NO_CHEST, NO_WAY_UP, UNFAMILIAR
from cxrlens.gate.checks.check import Check, Limit

SIMPLE: tuple[Check, ...] = (small.CHECK, blank.CHECK, lateral.CHECK, coloured.CHECK, odd_shape.CHECK, clipped.CHECK)
"""Checks of the picture alone."""

ASKED: tuple[Check, ...] = (NO_CHEST, NO_WAY_UP, UNFAMILIAR)
"""Checks that ask a network."""

CHECKS: dict[str, Check] = {check.name: check for check in (*SIMPLE, *ASKED)}
"""Every check by name, in the order in which they are made."""

__all__ = ["ASKED", "CHECKS", "NO_CHEST", "NO_WAY_UP", "SIMPLE", "UNFAMILIAR", "Check", "Limit"]
