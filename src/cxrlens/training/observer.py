"""What a training tells whoever watches it: the library itself prints nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cxrlens.training.history import EpochRow


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be done.

    Args:
        model: the network's name.
        parameters: numbers that training adjusts.
        images: of the train and of the validation split.
        epochs: at most so many.
        steps: an epoch.
        first_epoch: 1, or where a resumed run goes on.
        first_step: steps of that epoch already done.
        device: in words.
    """

    model: str
    parameters: int
    images: tuple[int, int]
    epochs: int
    steps: int
    first_epoch: int
    first_step: int
    device: str


@dataclass(frozen=True, slots=True)
class Step:
    """Where an epoch stands: means over the epoch so far.

    Args:
        epoch: from 1.
        step: steps of this epoch done.
        loss: mean cross-entropy.
        accuracy: in [0, 1].
        images_per_s: over this epoch so far.
    """

    epoch: int
    step: int
    loss: float
    accuracy: float
    images_per_s: float


class Observer(Protocol):
    """Called in the main process only."""

    def started(self, plan: Plan) -> None:
        """Before the first step."""

    def stepped(self, step: Step) -> None:
        """Every few steps, and after an epoch's last."""

    def epoch_done(self, row: EpochRow, is_best: bool) -> None:
        """After each epoch's validation."""

    def told(self, message: str) -> None:
        """A remark: stopped early, resumed from where."""

    def finished(self) -> None:
        """At the end, also after an error."""


class Silent:
    """Watches and says nothing."""

    def started(self, plan: Plan) -> None:
        """Nothing."""

    def stepped(self, step: Step) -> None:
        """Nothing."""

    def epoch_done(self, row: EpochRow, is_best: bool) -> None:
        """Nothing."""

    def told(self, message: str) -> None:
        """Nothing."""

    def finished(self) -> None:
        """Nothing."""
