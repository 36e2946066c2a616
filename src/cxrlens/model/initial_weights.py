"""Initial weights from a file: safetensors only, since a pickle from outside can run code."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cxrlens.errors import OptionError
from cxrlens.model.network import head_name

_PREFIXES = ("network.", "module.", "model.")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file by name, on the CPU; :class:`OptionError` where it cannot be read."""
    remedy = "give a .safetensors file, such as a run's model.safetensors"
    if not path.is_file():
        raise OptionError(path, "there is no such weights file", remedy)
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise OptionError(path, f"cannot be read as safetensors ({error})", remedy) from error
    return tensors


def load_initial_weights(model: nn.Module, path: Path) -> None:
    """Fill ``model`` from ``path``; a last layer of another number of classes is left out, its fresh values stay.

    Raises:
        OptionError: unreadable, or tensors missing, left over or of another shape: named in one line.
    """
    own = model.state_dict()
    given = _renamed(read_tensors(path), set(own))
    head = head_name(model)
    for part in (f"{head}.weight", f"{head}.bias"):
        if (
            part in given
            and part in own
            and given[part].shape[1:] == own[part].shape[1:]
            and given[part].shape != own[part].shape
        ):
            given[part] = own[part]
    faults = [
        *(
            f"{k} is {tuple(given[k].shape)} and should be {tuple(own[k].shape)}"
            for k in own
            if k in given and given[k].shape != own[k].shape
        ),
        *(f"{k} is missing" for k in own if k not in given and not k.endswith("num_batches_tracked")),
        *(f"{k} is left over" for k in given if k not in own),
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise OptionError(
            path,
            f"does not fit the network: {'; '.join(faults[:3])}{more}",
            "name the model and size it was trained with",
        )
    model.load_state_dict(given, strict=False)


def _renamed(given: dict[str, Tensor], own: set[str]) -> dict[str, Tensor]:
    """Names as this network has them: other tools' files lack our ``network.`` or carry a wrapper's prefix."""

    def rename(name: str) -> str:
        if name in own:
            return name
        for prefix in _PREFIXES:
            bare = name.removeprefix(prefix)
            if bare in own:
                return bare
            if f"network.{bare}" in own:
                return f"network.{bare}"
        return name

    return {rename(name): tensor for name, tensor in given.items()}
