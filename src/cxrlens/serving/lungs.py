"""The lung segmenter as it travels: its network in ONNX between the very rules that ``cxrlens.lungs`` has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxrlens.serving.folder import LUNGS, ModelFolder
from cxrlens.serving.network import Run, later, onnx_session

OUTPUT = "lungs"
"""Of the graph: (B, 1, 128, 128) float32, probability of lung at each pixel."""

Mask = NDArray[np.bool_]


class Lungs:
    """Finds lungs in preprocessed frames.

    Args:
        run: ``pixels`` (B, 1, 128, 128) float32 in [0, 255] to :data:`OUTPUT`.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def probabilities(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, S, S) uint8 to (B, S, S) in [0, 1], as :func:`cxrlens.lungs.segment_lungs` gives them."""
        from cxrlens.lungs.frames import (  # in here: an answer without a map needs none of it
            from_segmenter,
            to_segmenter,
        )

        return from_segmenter(self._run((OUTPUT,), to_segmenter(frames))[0][:, 0], frames.shape[1])

    def masks(self, frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """(B, S, S) uint8 to (B, S, S), as :func:`cxrlens.lungs.lung_masks` gives them."""
        from cxrlens.lungs.frames import to_masks

        return to_masks(self.probabilities(frames))

    def find(self, frame: NDArray[np.uint8]) -> Mask | None:
        """The lungs (S, S) of one frame (S, S); ``None`` where what was found is not like two lungs."""
        from cxrlens.lungs.plausible import lungs_found

        mask = self.masks(frame[None])[0]
        return mask if lungs_found(mask).ok else None


def load_exported_lungs(folder: ModelFolder) -> Lungs | None:
    """The segmenter of an exported model; ``None`` where it was exported without one.

    Its file is read, and its hash checked, when lungs are first asked for: an answer without a heat-map needs none.
    """
    if not folder.has(LUNGS):
        return None
    return Lungs(later(lambda: onnx_session(folder, LUNGS, threads=1)))  # too small for sharing it out to pay
