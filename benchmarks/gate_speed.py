"""What judging one image costs beyond decoding it and the model's own pass, on one thread.

    python benchmarks/gate_speed.py RUN --images 100

RUN is a run folder with a gate ('cxrlens gate RUN'); images are drawn from its test part. Medians; the smallest
of five repetitions each, so that other work on the machine is seen less.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from cxrlens.folders import RunFolder
from cxrlens.gate import load_gate
from cxrlens.gate.views import View
from cxrlens.manifest import kept
from cxrlens.preprocessing import to_model_input
from cxrlens.radiograph import Radiograph
from cxrlens.sources import read_radiograph


def best(work: Callable[[], object], repetitions: int = 5) -> float:
    """Milliseconds of the quickest of some repetitions."""
    taken = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return 1000 * min(taken)


def main() -> None:
    """Time them and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = RunFolder(options.run)
    gate = load_gate(run)
    model = gate.examiner.reader.model
    rows = kept(run.dataset().manifest())
    paths = list(rows[rows["split"] == "test"].sample(options.images, random_state=0)["path"])
    films = [read_radiograph(Path(path)) for path in paths]

    def model_alone(radiograph: Radiograph) -> object:
        with torch.inference_mode():
            return model.module(torch.from_numpy(to_model_input(model.preprocessing(radiograph))))

    model_alone(films[0]), gate.judge(films[0])
    turned = [Radiograph(View(1, inverted=True).apply(film.pixels)) for film in films]
    alone = [best(lambda film=film: model_alone(film)) for film in films]
    judged = [best(lambda film=film: gate.judge(film)) for film in films]
    repaired = [best(lambda film=film: gate.judge(film)) for film in turned]
    sides = statistics.median(max(film.height, film.width) for film in films)
    print(f"{len(films)} test images, median longer side {sides:.0f} px, one thread")
    print(f"preprocessing and the model's own pass   {statistics.median(alone):6.1f} ms")
    print(f"the gate, model's pass included           {statistics.median(judged):6.1f} ms")
    print(f"the gate beyond the model's pass          {statistics.median(judged) - statistics.median(alone):6.1f} ms")
    print(f"the same for a film that it sets right    {statistics.median(repaired) - statistics.median(alone):6.1f} ms")


if __name__ == "__main__":
    main()
