"""Training: one visible loop, and around it what lets a run be killed, resumed, repeated and spread over processes."""

from cxrlens.training.console import ConsoleObserver
from cxrlens.training.curves import describe_gap, draw_curves
from cxrlens.training.history import EpochRow, read_history
from cxrlens.training.observer import Observer, Plan, Silent, Step
from cxrlens.training.options import TrainingOptions
from cxrlens.training.train import train

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
