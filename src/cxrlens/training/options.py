"""What a training is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from cxrlens.augmentation import STRENGTHS, AugmentationOptions
from cxrlens.errors import OptionError
from cxrlens.preprocessing import DEFAULT_PREPROCESSING, Preprocessing

WATCHED = ("validation_loss", "validation_balanced_accuracy")
DEVICES = ("auto", "cpu", "cuda", "mps")
BALANCES = ("class", "none", "source", "source-root")
OBJECTIVES = ("mean", "group-dro", "adversary")
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed", "64-true")
_PATHS = ("weights", "doubtful")
_MAY_CHANGE = ("device", "devices", "checkpoint_seconds", "tensorboard")


SMALLEST_BATCH, LARGEST_BATCH, STEPS_AN_EPOCH = 16, 64, 50
ENOUGH_FOR_STRONG = 2000
"""Train images from which on strong augmentation is the default: it was shown to help from 2,480 on, and to keep a set
of 304 from learning anything; nothing between was measured."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Options of ``cxrlens train``. The defaults were chosen on real radiographs: see ``docs/experiments.md``.

    Tone and augmentation are what helped most on hospitals that a network has not seen (``docs/remedies.md``), and not
    what gives the highest figure on those that it has: ``augmentation=standard`` and ``preprocessing.tone=stretch`` do.

    Args:
        model: a name of the zoo.
        weights: a safetensors file to start from; none = fresh.
        preprocessing: what every image goes through; its size is the network's.
        augmentation: magnitudes of the random effects; none = ``strong`` from :data:`ENOUGH_FOR_STRONG` train images
            on, ``standard`` below (a small set learns nothing under strong effects: see ``docs/experiments.md``).
        epochs: at most so many passes over the train split.
        batch_size: images a step, over all processes together; 0 = as many as leave about 50 steps an epoch, from 16 to
            64 (a small set needs its steps: see ``docs/experiments.md``).
        lr: highest learning rate of AdamW (Loshchilov & Hutter, ICLR 2019).
        weight_decay: AdamW's, on matrices and filters only (neither biases nor normalisation).
        warmup_epochs: epochs of linear rise; a cosine then falls to a hundredth at the last epoch.
        label_smoothing: share of each target spread over all classes.
        balance: what weighs the same in the loss: each ``class``, each image (``none``), each source within each class
            (``source``), or sources by the square root of their size (``source-root``); see ``training.balance``.
        doubtful: a CSV file of suspected wrong labels (``path``, ``weight``), as the audit's ``suspects.csv``: their
            loss is multiplied by that weight.
        objective: what is made small: the ``mean`` loss; the losses of the (class, source) groups with the worst ahead
            (``group-dro``: Sagawa et al., ICLR 2020; classes and sources then need no balance); or the mean loss while
            an ``adversary`` fails to tell the source from the features (Ganin et al., JMLR 2016).
        group_step: of ``group-dro``: how fast group weights follow the losses.
        adversary_strength: of ``adversary``: what its gradient is multiplied by once it is ramped up.
        gradient_clip: largest norm of the gradient; 0 = none.
        ema: decay a step of the averaged weights that are validated and kept; 0 = none.
        patience: stop after so many epochs without a better one; 0 = never.
        watch: what "better" looks at: ``validation_loss`` or ``validation_balanced_accuracy``.
        seed: with the epoch and the step it decides every random number.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        devices: processes, one a device.
        precision: ``auto`` (bf16 on CUDA where the card has it, else float32) or one of Fabric's names.
        channels_last: memory format; faster convolutions on most CPUs and GPUs.
        checkpoint_seconds: also save within an epoch after so many seconds.
        tensorboard: write event files too (extra ``tensorboard``).

    Raises:
        OptionError: a value out of range.
    """

    model: str = "plain"
    weights: Path | None = None
    preprocessing: Preprocessing = DEFAULT_PREPROCESSING
    augmentation: AugmentationOptions | None = None
    epochs: int = 30
    batch_size: int = 0
    lr: float = 2e-3
    weight_decay: float = 0.02
    warmup_epochs: float = 1.0
    label_smoothing: float = 0.05
    balance: str = "class"
    doubtful: Path | None = None
    objective: str = "mean"
    group_step: float = 0.01
    adversary_strength: float = 1.0
    gradient_clip: float = 2.0
    ema: float = 0.0
    patience: int = 8
    watch: str = "validation_loss"
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    precision: str = "auto"
    channels_last: bool = True
    checkpoint_seconds: float = 120.0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float]] = {
            "epochs": (1, 10_000),
            "batch_size": (0, 65_536),
            "lr": (1e-8, 10),
            "weight_decay": (0, 10),
            "warmup_epochs": (0, 1000),
            "label_smoothing": (0, 0.9),
            "gradient_clip": (0, 1e6),
            "group_step": (0, 10),
            "adversary_strength": (0, 100),
            "ema": (0, 0.99999),
            "patience": (0, 10_000),
            "seed": (0, 2**31 - 1),
            "devices": (1, 4096),
            "checkpoint_seconds": (0, 1e6),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(
                    f"option {name}", f"{value!r} is out of range", f"give a number from {low:g} to {high:g}"
                )
        if self.batch_size == 1:
            raise OptionError("option batch_size", "1 is out of range", "give 2 or more, or 0 to have it chosen")
        choices = {
            "watch": WATCHED,
            "device": DEVICES,
            "precision": PRECISIONS,
            "balance": BALANCES,
            "objective": OBJECTIVES,
        }
        for name, allowed in choices.items():
            value = getattr(self, name)
            if value not in allowed:
                raise OptionError(f"option {name}", f"'{value}' is not known", f"use one of {', '.join(allowed)}")
        if self.objective == "adversary" and self.precision == "16-mixed":
            fault = "does not go with the objective 'adversary', whose own gradients would be scaled"
            raise OptionError("precision 16-mixed", fault, "use bf16-mixed or 32-true")

    def settled(self, train_images: int) -> TrainingOptions:
        """With batch size and augmentation chosen, where they were left to the size of the train split."""
        batch = self.batch_size or max(SMALLEST_BATCH, min(LARGEST_BATCH, train_images // STEPS_AN_EPOCH))
        chosen = STRENGTHS["strong" if train_images >= ENOUGH_FOR_STRONG else "standard"]
        return replace(self, batch_size=batch, augmentation=self.augmentation or chosen)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; :meth:`from_dict` reads it back."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in _PATHS:
            values[name] = None if values[name] is None else str(values[name])
        values["preprocessing"] = self.preprocessing.to_dict()
        values["augmentation"] = None if self.augmentation is None else asdict(self.augmentation)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingOptions:
        """The reverse of :meth:`to_dict`; :class:`OptionError` for an unknown key."""
        values = dict(values)
        if "class_weights" in values:  # until version 0.1, a choice between these two
            values.setdefault("balance", "class" if values.pop("class_weights") else "none")
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise OptionError(f"option {unknown[0]}", "is not known", f"options are {', '.join(sorted(known))}")
        given = dict(values)
        for name in _PATHS:
            if given.get(name) is not None:
                given[name] = Path(str(given[name]))
        if "preprocessing" in given:
            given["preprocessing"] = Preprocessing.from_dict(given["preprocessing"])
        if given.get("augmentation") is not None:
            given["augmentation"] = AugmentationOptions.from_dict(given["augmentation"])
        return cls(**given)

    def differences(self, other: TrainingOptions) -> list[str]:
        """Options that change the result and differ: a resumed run must have none."""
        mine, theirs = self.to_dict(), other.to_dict()
        return [name for name in mine if name not in _MAY_CHANGE and mine[name] != theirs[name]]
