"""Does the export say what torch says? Over the test part of a run's dataset, and from the files themselves.

    python benchmarks/export_parity.py RUN MODEL [--files 60]

MODEL is what ``cxrlens export RUN`` wrote. Probabilities are compared before calibration.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import cxrlens
from cxrlens.batches import pack
from cxrlens.evaluation.prediction import probabilities_of
from cxrlens.explanation.cam import grad_cam, hires_cam, layer_maps
from cxrlens.folders import RunFolder
from cxrlens.manifest import kept
from cxrlens.model import cam_layers, load_model
from cxrlens.preprocessing import to_model_input
from cxrlens.progress import quiet
from cxrlens.serving.layers import HIRES_CAM
from cxrlens.serving.network import softmax
from cxrlens.sources import read_many


def compare(run: RunFolder, model: str, files: int) -> None:
    """Print the figures."""
    torch.set_num_threads(1)
    trained, predictor = load_model(run), cxrlens.load(model, threads=1)
    assert trained.hash == predictor.network.hash, "MODEL was exported from another run"
    manifest = run.dataset().manifest()
    rows = kept(manifest)
    packed = pack(manifest, trained.preprocessing, run.dataset().packed_folder)
    paths = [path for path in rows[rows["split"] == "test"]["path"] if path in packed]
    places = packed.rows(paths)
    by_torch = probabilities_of(trained.module, packed, places, quiet, 128)
    frames = packed.pixels[places]
    by_onnx = np.concatenate([softmax(predictor.network(frames[i : i + 64]).logits) for i in range(0, len(frames), 64)])
    same = int((by_torch.argmax(axis=1) == by_onnx.argmax(axis=1)).sum())
    apart = np.abs(by_torch - by_onnx).max()
    print(f"test part, n = {len(paths)}: max |difference of p| {apart:.1e}, same class {same}")

    chosen = np.linspace(0, len(paths) - 1, min(files, len(paths))).astype(int)
    blocks = {name.removeprefix("network."): block for name, block in cam_layers(trained.module)}
    print(f"maps of every class, {len(chosen)} films: difference as a share of the map's top")
    for each in predictor.network.maps:
        formula = hires_cam if each.method == HIRES_CAM else grad_cam
        off = []
        for i in chosen:
            maps = predictor.network.class_maps(frames[i : i + 1], each.name)[0]
            inputs = torch.from_numpy(to_model_input(frames[i]))
            for k in range(len(trained.classes)):
                wanted = layer_maps(trained.module, inputs, k, [blocks[each.layer]], formula)[0]
                if wanted.max() > 1e-6:
                    off.append(float(np.abs(maps[k] - wanted).max() / wanted.max()))
        low, high = np.median(off), np.quantile(off, 0.99)
        print(f"  {each.name}: median {low:.1e}, 99 % below {high:.1e}, max {max(off):.1e}")

    read = [r for _i, r in read_many([Path(paths[i]) for i in chosen], workers=1)]
    fresh = np.stack([predictor.network.preprocessing(r) for r in read])
    equal = int((fresh == frames[chosen]).all(axis=(1, 2)).sum())
    print(f"decoded and preprocessed again, {len(chosen)} files: {equal} equal to the packed pixels, to the bit")
    told = [p.status for p in predictor.judge(read)]
    print("answers: " + ", ".join(f"{told.count(s)} {s}" for s in ("answered", "not sure", "refused")))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("model")
    parser.add_argument("--files", type=int, default=60)
    arguments = parser.parse_args()
    compare(RunFolder(arguments.run), arguments.model, arguments.files)
