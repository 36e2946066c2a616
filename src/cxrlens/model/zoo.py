"""Networks of other people by name: MONAI's (extra ``zoo``) and timm's (extra ``timm``). Imported when asked for."""

from __future__ import annotations

import importlib
from types import ModuleType

from torch import nn

from cxrlens.errors import OptionError

TIMM_PREFIX = "timm:"


def monai_network(name: str, classes: int) -> nn.Module:
    """A network of MONAI's for one grey channel, without weights; :class:`OptionError` where MONAI is not installed."""
    nets = _lazily("monai.networks.nets", f"model '{name}'", "MONAI", "zoo")
    network: nn.Module
    if name.startswith("densenet"):
        builder = getattr(nets, f"DenseNet{name.removeprefix('densenet')}")
        network = builder(spatial_dims=2, in_channels=1, out_channels=classes)
    elif name.startswith("resnet"):
        # Stride 2 first as in the paper (He et al. 2016); MONAI's default of 1 is meant for small volumes.
        network = getattr(nets, name)(spatial_dims=2, n_input_channels=1, num_classes=classes, conv1_t_stride=2)
    elif name.startswith("efficientnet"):
        network = nets.EfficientNetBN(name, pretrained=False, spatial_dims=2, in_channels=1, num_classes=classes)
    else:  # seresnet50
        network = nets.SEResNet50(spatial_dims=2, in_channels=1, num_classes=classes)
    return network


def timm_network(name: str, classes: int, size: int) -> nn.Module:
    """``timm:NAME`` for one grey channel, without weights; :class:`OptionError` for an unknown NAME or no timm."""
    timm = _lazily("timm", f"model '{name}'", "timm", "timm")
    wanted = name.removeprefix(TIMM_PREFIX)
    if wanted not in timm.list_models():
        close = timm.list_models(f"*{wanted[:6]}*")[:5]
        near = f"near it are {', '.join(close)}" if close else "'timm.list_models()' names them all"
        raise OptionError(f"model '{name}'", "timm knows no such network", near)
    arguments: dict[str, object] = {"pretrained": False, "num_classes": classes, "in_chans": 1}
    try:
        network: nn.Module = timm.create_model(wanted, img_size=size, **arguments)
    except TypeError:  # convolutional networks take any size and know no img_size
        network = timm.create_model(wanted, **arguments)
    return network


def _lazily(module: str, subject: str, package: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as error:  # a torchvision built for CUDA raises RuntimeError beside a CPU torch
        remedy = f"pip install 'cxrlens[{extra}]', or choose plain or compact"
        raise OptionError(subject, f"needs {package}, which cannot be imported ({error})", remedy) from error
