"""Views: the sixteen ways a frontal film may lie before us: turned, mirrored, inverted. Applied to one, and undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = TypeVar("Array", bound=np.generic)


@dataclass(frozen=True, slots=True)
class View:
    """What was done to a film that stood right: first mirrored, then turned, then inverted.

    Args:
        turns: quarter turns to the left (counter-clockwise), 0 to 3.
        mirrored: left and right were exchanged.
        inverted: black and white were exchanged.
    """

    turns: int = 0
    mirrored: bool = False
    inverted: bool = False

    @property
    def upright(self) -> bool:
        """Neither turned nor inverted; it may be mirrored, which is no fault that may be repaired unasked."""
        return self.turns == 0 and not self.inverted

    @property
    def index(self) -> int:
        """Place in :data:`VIEWS`."""
        return self.turns * 4 + self.mirrored * 2 + self.inverted

    def apply(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1] as this view shows it; a contiguous array of its own."""
        out = np.rot90(pixels[:, ::-1] if self.mirrored else pixels, self.turns)
        return np.ascontiguousarray(1.0 - out if self.inverted else out, dtype=np.float32)

    def righted(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Undo the inversion and the turn of (H, W) float32 in [0, 1], and never the mirroring."""
        out = np.rot90(pixels, -self.turns)
        return np.ascontiguousarray(1.0 - out if self.inverted else out, dtype=np.float32)

    @property
    def repair(self) -> str:
        """What was found and done about it, in words that complete "the image …"; blank where nothing was."""
        found = []
        if self.inverted:
            found.append("showed air white and bone black, and was un-inverted")
        if self.turns == 2:
            found.append("stood upside down, and was turned by 180°")
        elif self.turns:
            found.append(f"lay on its side, and was turned by 90° to the {'right' if self.turns == 1 else 'left'}")
        return "; it ".join(found)


VIEWS: tuple[View, ...] = tuple(
    View(turns, mirrored, inverted) for turns in range(4) for mirrored in (False, True) for inverted in (False, True)
)
"""All sixteen, each at its own :attr:`View.index`; the first is the film as it should be."""

RIGHT = VIEWS[0]
"""A film as it should be."""

UPRIGHT: NDArray[np.bool_] = np.array([view.upright for view in VIEWS])
"""(16,) which of :data:`VIEWS` need no repair."""
