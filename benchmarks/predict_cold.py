"""Serving, in ratios of one run: a cold ``cxrlens predict`` against a bare onnxruntime script, and warm latencies.

    python benchmarks/predict_cold.py MODEL IMAGE [--repeats 9]

    python benchmarks/predict_cold.py MODEL IMAGE --xrv-python PYTHON   # one that has torchxrayvision

MODEL is a folder of ``cxrlens export``. The bare script does what anybody's would: Pillow, NumPy, resize, onnxruntime.
Processes take turns, so that a busy machine troubles all alike; CPU time is printed beside wall time for that reason.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

BARE = """
import sys
import numpy as np
import onnxruntime
from PIL import Image
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
side = session.get_inputs()[0].shape[2]
film = Image.open(sys.argv[2]).convert("L").resize((side, side))
pixels = np.asarray(film, dtype=np.float32)[None, None] / 255
logits = session.run(["logits"], {"pixels": pixels})[0][0]
shares = np.exp(logits - logits.max())
print(shares / shares.sum())
"""
PYTHON = "import sys, cxrlens; print(cxrlens.load(sys.argv[1])(sys.argv[2]).to_dict())"
XRV = """
import sys
import numpy as np
import torch
import torchxrayvision as xrv
from PIL import Image
film = xrv.datasets.normalize(np.asarray(Image.open(sys.argv[1]).convert("L"), dtype=np.float32), 255)[None]
film = xrv.datasets.XRayResizer(224)(xrv.datasets.XRayCenterCrop()(film))
model = xrv.models.DenseNet(num_classes=18).eval()  # DenseNet121 as it ships, without the download of its weights
with torch.inference_mode():
    print(model(torch.from_numpy(film)[None]))
"""
TORCH = "import torch; print(torch.zeros(1))"


def timed(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - start, used.ru_utime + used.ru_stime


def cold(model: str, image: str, repeats: int, xrv_python: str | None) -> None:
    """Print the table of whole processes."""
    cxrlens = str(Path(sys.executable).with_name("cxrlens"))
    commands = {
        "bare onnxruntime script": [sys.executable, "-c", BARE, model, image],
        "cxrlens predict": [cxrlens, "predict", image, "--model", model],
        "cxrlens.load in Python": [sys.executable, "-c", PYTHON, model, image],
        "import torch, nothing more": [sys.executable, "-c", TORCH],
    }
    if xrv_python:
        commands["TorchXRayVision, DenseNet121"] = [xrv_python, "-c", XRV, image]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(repeats + 1):
        for name, command in commands.items():
            measured = timed(command)
            if turn:  # the first fills the caches
                found[name].append(measured)
    wall = {name: statistics.median(w for w, _ in each) for name, each in found.items()}
    cpu = {name: statistics.median(c for _, c in each) for name, each in found.items()}
    least = {name: min(w for w, _ in each) for name, each in found.items()}
    bare = "bare onnxruntime script"
    print(f"cold, {repeats} turns        median wall  ratio   least wall  ratio   median CPU  ratio")
    for name in commands:
        print(
            f"  {name:<28}{wall[name]:8.3f} s{wall[name] / wall[bare]:7.2f}{least[name]:11.3f} s"
            f"{least[name] / least[bare]:7.2f}{cpu[name]:11.3f} s{cpu[name] / cpu[bare]:7.2f}"
        )


def warm(model: str, image: str, repeats: int) -> None:
    """Print latencies within one process, batch 1."""
    import numpy as np
    import onnxruntime

    import cxrlens
    from cxrlens.preprocessing import to_model_input
    from cxrlens.sources import read_radiograph

    predictor = cxrlens.load(model, threads=1)
    radiograph = read_radiograph(Path(image))
    frame = predictor.network.preprocessing(radiograph)[None]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # for both: on a busy machine a second thread is waited for at random
    session = onnxruntime.InferenceSession(f"{model}/model.onnx", options)
    pixels = to_model_input(frame)
    steps: dict[str, Callable[[], object]] = {
        "bare onnxruntime, one pass": lambda: session.run(["logits"], {"pixels": pixels}),
        "network of cxrlens, the same": lambda: predictor.network(frame),
        "Grad-CAM of every class": lambda: predictor.network.class_maps(frame),
        "decoding the file": lambda: read_radiograph(Path(image)),
        "gate and answer, decoded": lambda: predictor.judge([radiograph]),
        "the same with map and its flag": lambda: predictor.judge([radiograph], cam=True),
        "everything without a map": lambda: predictor(image),
    }
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _turn in range(20 * repeats):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            taken[name].append(time.perf_counter() - start)
    bare = "bare onnxruntime, one pass"
    middle = {name: float(np.median(values)) for name, values in taken.items()}
    low = {name: float(np.quantile(values, 0.1)) for name, values in taken.items()}
    print(f"warm, 1 thread, batch 1, {20 * repeats} turns     median      ratio   10th percentile  ratio")
    for name in steps:
        print(
            f"  {name:<32}{middle[name] * 1e3:8.2f} ms{middle[name] / middle[bare]:8.2f}"
            f"{low[name] * 1e3:14.2f} ms{low[name] / low[bare]:8.2f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("image")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--xrv-python", help="also time a script of TorchXRayVision with this Python")
    arguments = parser.parse_args()
    cold(arguments.model, arguments.image, arguments.repeats, arguments.xrv_python)
    warm(arguments.model, arguments.image, arguments.repeats)
