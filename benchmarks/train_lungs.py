"""Train the lung segmenter that cxrlens ships, judge it on outlines it never saw, and write both into the package.

    python benchmarks/train_lungs.py --data ../shared/data --dataset runs/real/honest/dataset --out src/cxrlens/lungs

Three kinds of frames: real outlines, phantoms, and, in the second round, real radiographs nobody outlined, on which
the network of the first round serves as the teacher (only pixels on which its answers under four views agree count).
The recipe is fixed, the last weights (averaged) are taken, and the held-out outlines are looked at once, at the end.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import math
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from cxrlens.folders import write_atomically, write_json
from cxrlens.lungs.frames import SIDE
from cxrlens.lungs.network import LungNetwork, parameters_of
from lungs_augment import augment
from lungs_figures import judge
from lungs_material import LUNG, OUT, UNKNOWN, Material, outlined, phantoms, unlabelled

FRAME = 160
TEACHING = ("kermany", "mendeley-tb-pakistan", "nih", "rahman-tb")
"""Collections without outlines that the second round learns from; none of them repeats an outlined radiograph."""


def main() -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with collected/, annotations/, manifest.csv")
    parser.add_argument("--dataset", type=Path, help="curated dataset of it, for the copies that curation found")
    parser.add_argument("--out", type=Path, required=True, help="gets lungs.safetensors and lungs.json")
    parser.add_argument("--steps", type=int, nargs=2, default=(450, 650), help="of the first and second round")
    parser.add_argument("--phantoms", type=int, default=480)
    parser.add_argument("--unlabelled", type=int, default=60, help="images of each collection without outlines")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--judge", action="store_true", help="train nothing: judge the weights that lie in --out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.judge:
        train(options)
    figures = judge(options.out / "lungs.safetensors", options.data.resolve(), options.seed, options.dataset)
    told = json.loads((options.out / "lungs.json").read_text())
    write_json(options.out / "lungs.json", {**told, "figures": figures})
    print(json.dumps(figures, indent=1))


def train(options: argparse.Namespace) -> None:
    """Both rounds; writes the weights and their description."""
    torch.manual_seed(options.seed)
    start, busy = time.perf_counter(), time.process_time()
    data = options.data.resolve()
    real = outlined(data, FRAME, options.seed, options.dataset)
    outlines = real.where((real.about["part"] == "train").to_numpy())
    synthetic = phantoms(range(options.phantoms), FRAME)
    say(start, f"{len(outlines)} real outlines, {len(synthetic)} phantoms")
    generator = torch.Generator().manual_seed(options.seed)
    network = LungNetwork()
    teacher = fit(network, [(outlines, 22), (synthetic, 10)], options.steps[0], generator, start)
    taught = teach(teacher, unlabelled(data, TEACHING, options.unlabelled, FRAME, options.seed))
    say(start, f"{len(taught)} radiographs without outline taught; {(taught.truth == UNKNOWN).mean():.1%} unknown")
    last = fit(network, [(outlines, 16), (synthetic, 6), (taught, 10)], options.steps[1], generator, start)
    write(last, options, time.process_time() - busy, outlines, taught)


def say(start: float, words: str) -> None:
    """One line with the time."""
    print(f"{time.perf_counter() - start:6.0f} s  {words}", flush=True)


def fit(
    network: LungNetwork, material: list[tuple[Material, int]], steps: int, g: torch.Generator, start: float
) -> LungNetwork:
    """Train for ``steps`` with so many frames of each material a step; returns the average of the last weights."""
    network.train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1, s / 30) * (0.51 + 0.49 * math.cos(math.pi * s / steps))
    )
    average, running = deepcopy(network), 0.0
    for step in range(steps):
        pixels, truth = augment(*draw(material, g), SIDE, g)
        optimiser.zero_grad(set_to_none=True)
        loss = loss_of(network(pixels.to(memory_format=torch.channels_last)), truth)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        decay = min(0.98, step / (step + 10))
        with torch.no_grad():
            for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                kept.lerp_(new, 1 - decay) if kept.is_floating_point() else kept.copy_(new)
        running += (loss.item() - running) / (step % 50 + 1)
        if step % 50 == 49:
            say(start, f"step {step + 1} of {steps}, loss {running:.3f}")
            running = 0.0
    return average.eval()


def draw(material: list[tuple[Material, int]], g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Frames and truths (B, 1, S, S) float32 of one step."""
    frames, truths = [], []
    for source, count in material:
        rows = torch.randint(len(source), (count,), generator=g).numpy()
        frames.append(source.frames[rows])
        truths.append(source.truth[rows])
    pixels = torch.from_numpy(np.concatenate(frames))[:, None].float() / 255
    return pixels, torch.from_numpy(np.concatenate(truths))[:, None].float()


def loss_of(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice over known pixels; the mean over frames."""
    known, lung = (truth != UNKNOWN).float(), (truth == LUNG).float()
    cross = F.binary_cross_entropy_with_logits(logits, lung, weight=known)
    p = torch.sigmoid(logits) * known
    overlap = (2 * (p * lung).sum((1, 2, 3)) + 50) / (p.sum((1, 2, 3)) + lung.sum((1, 2, 3)) + 50)
    return cross + 0.5 * (1 - overlap.mean())


@torch.no_grad()
def teach(teacher: LungNetwork, material: Material) -> Material:
    """The teacher's answers as truth where its four views agree; ``UNKNOWN`` elsewhere."""
    truths = []
    for frame in material.frames:
        small = F.interpolate(torch.from_numpy(frame)[None, None].float() / 255, size=(SIDE, SIDE), mode="area")
        far = F.pad(F.interpolate(small, size=(104, 104), mode="area"), [12] * 4)
        p_far = F.interpolate(torch.sigmoid(teacher(far))[..., 12:-12, 12:-12], size=(SIDE, SIDE), mode="bilinear")
        views = [
            torch.sigmoid(teacher(small)),
            torch.sigmoid(teacher(small.flip(-1))).flip(-1),
            p_far,
            torch.sigmoid(teacher(small**0.6)),
        ]
        p = F.interpolate(torch.stack(views).mean(0), size=frame.shape, mode="bilinear")[0, 0].numpy()
        truths.append(np.where(p > 0.75, LUNG, np.where(p < 0.25, OUT, UNKNOWN)).astype(np.uint8))
    return Material(material.frames, np.stack(truths), material.about)


def write(
    network: LungNetwork, options: argparse.Namespace, seconds: float, outlines: Material, taught: Material
) -> None:
    """Weights in float16, and the description that names their hash."""
    state = {
        k: v.detach().contiguous() for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")
    }
    data = save({k: v.half() for k, v in state.items()}, {"format": "pt"})
    write_atomically(options.out / "lungs.safetensors", data)
    words = (
        f"{len(outlines)} lung outlines by one reader (v7labs) of adults with COVID-19 from the collection 'cohen', "
        f"{outlines.about['patient_id'].nunique()} patients; {options.phantoms} synthetic phantoms; {len(taught)} "
        f"radiographs without outline ({', '.join(TEACHING)}), outlined by the network of the first round"
    )
    about = {
        "format": 1,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "parameters": parameters_of(network),
        "side": SIDE,
        "trained_on": words,
        "training": {
            "steps": list(options.steps),
            "batch": 32,
            "seed": options.seed,
            "processor_seconds": round(seconds),
        },
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "code": "python benchmarks/train_lungs.py --data DATA --dataset DATASET --out src/cxrlens/lungs",
    }
    write_json(options.out / "lungs.json", about)


if __name__ == "__main__":
    main()
