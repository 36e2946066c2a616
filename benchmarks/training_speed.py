"""Speed and memory of training, against the same network on tensors in memory and against the notebook way.

    python benchmarks/training_speed.py [--images FOLDER] [--keras-python PYTHON] [--json FILE]

FOLDER holds a folder a class (Normal, COVID-19, Pneumonia, Tuberculosis); without it, synthetic pictures are made.
Parts, all in one run: (1) end-to-end images/s (memory-mapped pixels, augmentation, step) over the same network stepping
on tensors already in memory, the two taken in turns so that drift of the machine cancels; (2) the same end to end at
224 pixels over Keras with ``flow_from_directory``, with the same network written in Keras, where --keras-python names a
Python that has tensorflow-cpu; (3) images/s and peak memory at 1,000 and 6,000 images, each in a process of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from cxrlens.batches import Batch, pack
from cxrlens.folders import DatasetFolder, RunFolder
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.preprocessing import Preprocessing
from cxrlens.training import Silent, TrainingOptions
from cxrlens.training.data import training_rows
from cxrlens.training.launch import make_fabric
from cxrlens.training.loop import Training
from cxrlens.training.machine import machine, peak_memory_mb
from cxrlens.training.options import LARGEST_BATCH
from cxrlens.training.session import Job, prepare_training


def write_pictures(root: Path, count: int, side: int = 256) -> Path:
    """Smooth random grey JPEGs, synthetic, in a folder a class."""
    rng = np.random.default_rng(0)
    for i in range(count):
        folder = root / CLASSES[i % 4]
        folder.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{i:06d}.jpg", quality=88)
    return root


def dataset_of(images: Path, root: Path, limit: int = 0) -> DatasetFolder:
    """A dataset folder over a folder a class: every fifth image is validation, the rest train."""
    files = sorted(p for c in CLASSES for p in (images / c).iterdir())
    if limit:
        files = files[:: max(1, len(files) // limit)][:limit]
    rows = [
        {"path": str(p), "label": p.parent.name, "collection": "bench", "split": "train" if i % 5 else "validation"}
        for i, p in enumerate(files)
    ]
    root.mkdir(parents=True)
    write_manifest(new_manifest(rows), root / "manifest.csv")
    return DatasetFolder(root)


def training_of(dataset: DatasetFolder, options: TrainingOptions) -> tuple[Training, float]:
    """The very training that ``cxrlens train`` loops over, and images/s of packing."""
    rows = training_rows(dataset)
    began = time.perf_counter()
    pack(rows.both, options.preprocessing, dataset.packed_folder)
    packing = len(rows.both) / (time.perf_counter() - began)
    job = Job(dataset, RunFolder(dataset.root / "run"), options, rows, Silent(), resume=False)
    return prepare_training(make_fabric(options, external=False), job), packing


def endless(training: Training) -> Iterator[Batch]:
    """Batches of epoch after epoch."""
    while True:
        yield from training.loaders.train.epoch(training.position.epoch)
        training.position.epoch += 1


def end_to_end(training: Training, batches: Iterator[Batch], steps: int) -> float:
    """Images/s of the loop's own step on fresh batches from the mapped file."""
    training.model.train()
    began, images = time.perf_counter(), 0
    for batch in islice(batches, steps):
        training.step(batch)
        training.position.step += 1
        images += len(batch)
    return images / (time.perf_counter() - began)


def in_memory(training: Training, held: list[tuple[torch.Tensor, torch.Tensor]], steps: int) -> float:
    """Images/s of the barest step: forward, backward, clip, AdamW, on tensors that are already there."""
    training.model.train()
    began, images = time.perf_counter(), 0
    for i in range(steps):
        pixels, targets = held[i % len(held)]
        training.context.size, training.context.start = len(targets), 0
        loss = F.cross_entropy(training.model(pixels), targets)
        training.optimizer.zero_grad()
        training.fabric.backward(loss)
        training.fabric.clip_gradients(training.model, training.optimizer, max_norm=training.options.gradient_clip)
        training.optimizer.step()
        images += len(targets)
    return images / (time.perf_counter() - began)


def in_turns(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[float, float, list[float]]:
    """Median of each, and the ratio first / second of every round; the order within a round alternates."""
    a, b = [], []
    first(), second()  # warm-up
    for i in range(rounds):
        if i % 2:
            b.append(second())
            a.append(first())
        else:
            a.append(first())
            b.append(second())
    return statistics.median(a), statistics.median(b), sorted(x / y for x, y in zip(a, b, strict=True))


def against_memory(dataset: DatasetFolder, options: TrainingOptions, rounds: int, steps: int) -> dict[str, float]:
    """Part 1."""
    training, packing = training_of(dataset, options)
    batches = endless(training)
    held = [
        (b.pixels.contiguous(memory_format=torch.channels_last), b.targets) for b in islice(training.loaders.train, 8)
    ]
    whole, bare, ratios = in_turns(
        lambda: end_to_end(training, batches, steps), lambda: in_memory(training, held, steps), rounds
    )
    middle = statistics.median(ratios)
    shown = {"end_to_end": whole, "in_memory": bare, "ratio": middle, "ratio_low": ratios[0], "ratio_high": ratios[-1]}
    return {**shown, "packing": packing}


def one_growth(dataset: DatasetFolder, options: TrainingOptions, steps: int) -> dict[str, float]:
    """Part 3, in a process of its own."""
    training, _ = training_of(dataset, options)
    before = peak_memory_mb()
    batches = endless(training)
    end_to_end(training, batches, 3)
    rate = end_to_end(training, batches, max(steps, len(training.loaders.train)))
    return {
        "images": training.loaders.train.images,
        "images_per_s": rate,
        "peak_mb": peak_memory_mb(),
        "before_mb": before,
    }


def grown(images: Path, count: int, scratch: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Run part 3 for ``count`` images in a fresh process."""
    dataset_of(images, scratch / f"grown-{count}", limit=count)
    command = [sys.executable, __file__, "--child", str(scratch / f"grown-{count}"), "--steps", str(arguments.steps)]
    command += ["--model", arguments.model, "--batch-size", str(arguments.batch_size)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told: dict[str, float] = json.loads(said.splitlines()[-1])
    return told


def notebook_way(images: Path, arguments: argparse.Namespace) -> float:
    """Part 2: images/s of Keras over the same folder at 224 pixels."""
    script = Path(__file__).with_name("keras_notebook_way.py")
    command = [arguments.keras_python, str(script), str(images), "--batch-size", str(arguments.batch_size)]
    said = subprocess.run(
        [*command, "--steps", str(arguments.steps)], check=True, capture_output=True, text=True
    ).stdout
    return float(json.loads(said.splitlines()[-1])["images_per_s"])


def show(title: str, speeds: dict[str, float]) -> None:
    """One block of part 1 or 2."""
    low, high = speeds["ratio_low"], speeds["ratio_high"]
    print(title)
    print(f"  packing, once                {speeds['packing']:8.1f} images/s")
    print(f"  end to end                   {speeds['end_to_end']:8.1f} images/s")
    print(f"  tensors in memory            {speeds['in_memory']:8.1f} images/s")
    print(f"  end to end over in memory    {speeds['ratio']:8.3f} ({low:.3f} to {high:.3f})")


def main() -> None:
    """Run the parts and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="a folder a class; none = synthetic pictures")
    parser.add_argument("--keras-python", help="a Python with tensorflow-cpu, pillow and scipy")
    parser.add_argument("--model", default="plain")
    parser.add_argument("--batch-size", type=int, default=LARGEST_BATCH)
    parser.add_argument("--steps", type=int, default=15, help="steps a measurement")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each kind in part 1")
    parser.add_argument("--grow", type=int, nargs="*", default=[1000, 6000])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    options = TrainingOptions(model=arguments.model, batch_size=arguments.batch_size, device="cpu")
    if arguments.child:
        print(json.dumps(one_growth(DatasetFolder(arguments.child), options, arguments.steps)))
        return
    with tempfile.TemporaryDirectory(prefix="cxrlens-speed-") as folder:
        scratch = Path(folder)
        images = arguments.images or write_pictures(scratch / "pictures", max(1000, *arguments.grow))
        result: dict[str, object] = {"machine": machine("cpu"), "model": arguments.model, "batch": arguments.batch_size}
        data = dataset_of(images, scratch / "d128", 1500)
        result["128 px"] = first = against_memory(data, options, arguments.rounds, arguments.steps)
        show(f"{arguments.model}, batch {arguments.batch_size}, {torch.get_num_threads()} threads, 128 px", first)
        if arguments.keras_python:
            large = dataclasses.replace(options, preprocessing=Preprocessing(size=224))
            data = dataset_of(images, scratch / "d224", 1500)
            ours = against_memory(data, large, max(2, arguments.rounds // 2), arguments.steps)
            show("224 px", ours)
            theirs = notebook_way(images, arguments)
            result["224 px"] = {**ours, "keras": theirs, "over_keras": ours["end_to_end"] / theirs}
            print(f"  Keras, decoding each epoch   {theirs:8.1f} images/s")
            print(f"  end to end over Keras        {ours['end_to_end'] / theirs:8.2f}")
            print(f"  tensors in memory over Keras {ours['in_memory'] / theirs:8.2f} (the machine's own limit)")
        result["growth"] = growth = [grown(images, count, scratch, arguments) for count in arguments.grow]
        for row in growth:
            rate, peak = row["images_per_s"], row["peak_mb"]
            print(f"{row['images']:6.0f} train images: {rate:6.1f} images/s, peak memory {peak:.0f} MB")
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
