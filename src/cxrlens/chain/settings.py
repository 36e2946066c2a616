"""From ``--set name=value`` to training options."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from cxrlens.augmentation import STRENGTHS, AugmentationOptions
from cxrlens.errors import OptionError
from cxrlens.training import TrainingOptions

_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def training_options(size: int, given: Mapping[str, Any]) -> TrainingOptions:
    """Options of a training from what the shell gave.

    Args:
        size: side in pixels that the network sees.
        given: names of :class:`TrainingOptions`, or ``augmentation.NAME`` and ``preprocessing.NAME``; values as
            typed, or already of the right type. ``augmentation=none`` (or another of ``STRENGTHS``) takes a strength;
            single effects without one change ``standard``.

    Raises:
        OptionError: an unknown name, or a value that cannot be read.
    """
    defaults = TrainingOptions()
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {"augmentation": {}, "preprocessing": {"size": size}}
    strength: AugmentationOptions | None = None
    for name, value in given.items():
        part, dot, inner = name.partition(".")
        if dot and part in parts:
            parts[part][inner] = _read(name, value, getattr(defaults, part) or STRENGTHS["standard"], inner)
        elif name == "augmentation":
            strength = _strength(str(value))
        else:
            own[name] = _read(name, value, defaults, name)
    if parts["augmentation"]:
        strength = replace(strength or STRENGTHS["standard"], **parts["augmentation"])
    own["augmentation"] = strength
    own["preprocessing"] = replace(defaults.preprocessing, **parts["preprocessing"])
    return replace(defaults, **own)


def _read(asked: str, value: Any, options: Any, name: str) -> Any:
    """``value`` as the type that the option's default has."""
    known = [f.name for f in fields(options)]
    if name not in known or name in ("augmentation", "preprocessing"):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
        raise OptionError(f"option {asked}", "is not known", hint)
    if not isinstance(value, str):
        return value
    default = getattr(options, name)
    try:
        if isinstance(default, bool):
            return _truth(value)
        if isinstance(default, int):
            return int(value)
        if isinstance(default, float):
            return float(value)
    except ValueError as error:
        kind = "true or false" if isinstance(default, bool) else "a number"
        raise OptionError(f"option {asked}", f"'{value}' cannot be read", f"give {kind}, as in {default}") from error
    return Path(value) if name in ("weights", "doubtful") else value


def _truth(value: str) -> bool:
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError(value)


def _strength(name: str) -> AugmentationOptions:
    if name not in STRENGTHS:
        raise OptionError("option augmentation", f"'{name}' is no strength", f"use one of {', '.join(STRENGTHS)}")
    return STRENGTHS[name]
