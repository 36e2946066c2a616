"""Training: one visible loop, and around it what lets a run be killed, resumed, repeated and spread over processes."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from cxrlens.training.console import ConsoleObserver
    from cxrlens.training.curves import describe_gap, draw_curves
    from cxrlens.training.fit import train
    from cxrlens.training.history import EpochRow, read_history
    from cxrlens.training.observer import Observer, Plan, Silent, Step
    from cxrlens.training.options import TrainingOptions

# Loaded when first used: not all of it needs torch, or the loop.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "console": ["ConsoleObserver"],
        "curves": ["describe_gap", "draw_curves"],
        "fit": ["train"],
        "history": ["EpochRow", "read_history"],
        "observer": ["Observer", "Plan", "Silent", "Step"],
        "options": ["TrainingOptions"],
    },
)

__all__ = [
    "ConsoleObserver",
    "EpochRow",
    "Observer",
    "Plan",
    "Silent",
    "Step",
    "TrainingOptions",
    "describe_gap",
    "draw_curves",
    "read_history",
    "train",
]
