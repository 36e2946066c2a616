"""What was answered, remembered in memory alone, for a limited time and in a limited amount."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrlens.serving.prediction import JudgedMap, Prediction
from cxrlens.serving.web.options import Keep
from cxrlens.serving.web.problems import Problem

_SMALL = 16_384  # bytes of an answer without its film, its maps among them
_REMEMBERED = 10_000  # ids of what is gone, to tell "gone" from "never was"


@dataclass(slots=True)
class Result:
    """One answer.

    Args:
        prediction: as ``cxrlens.load(model)(data)`` gives it.
        film: (H, W) uint16, the film as it was judged, of [0, 1]·65535; ``None`` where there is no image.
        source: the uploaded DICOM file, for objects that refer to it; ``None`` for other files.
        target: the class that was asked for; ``None`` for the likeliest one.
        maps: (K, h, w) float32 of every class by the graph's output, once somebody asked.
        judged: what is said of the maps that somebody asked for, by class and layer.
        born: when, of the store's clock.
        id: unguessable.
    """

    prediction: Prediction
    film: NDArray[np.uint16] | None = field(default=None, repr=False)
    source: bytes | None = field(default=None, repr=False)
    target: str | None = None
    maps: dict[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)
    judged: dict[tuple[str, str], JudgedMap] = field(default_factory=dict, repr=False)
    born: float = 0.0
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))

    @property
    def size(self) -> int:
        """Bytes that it keeps."""
        film = 0 if self.film is None else self.film.nbytes
        return _SMALL + film + len(self.source or b"")

    @property
    def cam(self) -> str | None:
        """Where its heat-map is; ``None`` where no class is named."""
        return None if self.prediction.probabilities is None else f"/v1/predictions/{self.id}/cam"

    def to_dict(self, *, maps: bool = True) -> dict[str, Any]:
        """The prediction's own JSON with ``id``, and ``cam`` where the model has maps."""
        row = self.prediction.to_dict()
        return {"id": self.id, **row, "cam": self.cam if maps else None}


class Results:
    """A bounded store. Used by the event loop alone.

    Args:
        keep: how much.
        clock: seconds, monotonic.
    """

    def __init__(self, keep: Keep, clock: Callable[[], float] = time.monotonic) -> None:
        self.keep = keep
        self.bytes = 0
        self._clock = clock
        self._kept: OrderedDict[str, Result] = OrderedDict()
        self._gone: deque[str] = deque(maxlen=_REMEMBERED)

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, result: Result) -> None:
        """Remember it, and forget the oldest beyond the bounds."""
        result.born = self._clock()
        self._kept[result.id] = result
        self.bytes += result.size
        self.sweep()

    def get(self, key: str) -> Result:
        """:class:`Problem` 410 where it was forgotten, 404 where it never was."""
        self.sweep()
        found = self._kept.get(key)
        if found is not None:
            return found
        if key in self._gone:
            raise Problem(410, "gone", f"the result was forgotten: {self.rule}; send the film again")
        raise Problem(404, "unknown-id", f"there is no result of this id: {self.rule}; send the film again")

    def forget(self, key: str) -> None:
        """At once; problems as for :meth:`get`."""
        self._drop(self.get(key).id)

    def sweep(self) -> None:
        """Forget what is too old or too much."""
        oldest = self._clock() - self.keep.minutes * 60
        while self._kept:
            first = next(iter(self._kept.values()))
            crowded = len(self._kept) > self.keep.count or self.bytes > self.keep.max_bytes
            if first.born >= oldest and not crowded:
                return
            self._drop(first.id)

    def clear(self) -> None:
        """Forget everything."""
        for key in list(self._kept):
            self._drop(key)

    @property
    def rule(self) -> str:
        """In words."""
        return f"results are kept for {self.keep.minutes:g} minutes, the last {self.keep.count} at most"

    def _drop(self, key: str) -> None:
        self.bytes -= self._kept.pop(key).size
        self._gone.append(key)
