"""Facts of the machine and its software that a result depends on."""

from __future__ import annotations

import logging
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from cxrlens import __version__

_PACKAGES = ("torch", "lightning-fabric", "kornia", "numpy", "monai", "timm")


def versions() -> dict[str, str]:
    """Versions of Python, cxrlens and the libraries that compute."""
    found = {"cxrlens": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine(device: str) -> dict[str, str | int]:
    """Processor, threads and accelerator: sums of floats depend on all three."""
    about: dict[str, str | int] = {
        "platform": platform.platform(),
        "device": device,
        "threads": torch.get_num_threads(),
    }
    about["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
    if device == "cuda":
        about["accelerator"] = torch.cuda.get_device_name()
    return about


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB (2²⁰ bytes); 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    per_mb = 2**20 if platform.system() == "Darwin" else 2**10  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mb


def quieten() -> None:
    """Lightning announces every process group; the observer tells what a user needs."""
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
