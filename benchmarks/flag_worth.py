"""Is the flag "do not read this one" worth anything? Hits of flagged and unflagged maps, over all reasons and by each.

    cxrlens phantom PHANTOM --images 960 --seed 3
    cxrlens curate PHANTOM/collections/* --out DATASET
    cxrlens split DATASET --test 0.3 --validation 0.15
    cxrlens train DATASET --out RUN --epochs 36
    cxrlens evaluate RUN
    python benchmarks/flag_worth.py RUN --annotations PHANTOM/truth/annotations.csv

The limits of the flag were set before any of these figures was known, and were not changed afterwards.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from cxrlens.explanation.heat import choose_layers
from cxrlens.explanation.scorecard.doubts import Case, Doubter
from cxrlens.explanation.scorecard.flag_worth import flag_worth, words_on_flag
from cxrlens.explanation.scorecard.judgements import spoken
from cxrlens.explanation.scorecard.maps import Explainer
from cxrlens.explanation.scorecard.sample import ScorecardOptions, draw_sample
from cxrlens.folders import RunFolder
from cxrlens.model import load_model


def main() -> None:
    """Print the table for each method asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--methods", nargs="+", default=["grad-cam", "grad-cam++", "hires-cam"])
    given = parser.parse_args()
    run = RunFolder(given.run)
    model = load_model(run)
    sample = draw_sample(run, model, ScorecardOptions(images=given.images, annotations=given.annotations))
    layer = choose_layers(model)[-1][0]
    films = [film.placement.inner for film in sample.films]
    for method in given.methods:
        explainer = Explainer(model.module, method, layer)
        targets = explainer.named(sample.pixels)
        maps = explainer(sample.pixels, targets)
        case = Case(sample.frames, films, sample.found_lungs, targets, maps)
        right = np.array([model.classes[t] == f.row["label"] for t, f in zip(targets, sample.films, strict=True)])
        worth = flag_worth(sample, maps, Doubter(explainer, model.size)(case), right)
        print(f"{method}: {words_on_flag(worth)}")
        for kind in ("real", "phantom"):
            if worth[kind]:
                print(f"  energy in {kind} lesions: {_line(worth[kind]['energy'])}")
                for reason, found in worth[kind]["hit_by_reason"].items():
                    print(f"  hits, {reason} ({worth['by_reason'][reason]} maps): {_line(found)}", flush=True)


def _line(found: dict[str, Any]) -> str:
    on, off = found["flagged"], found["unflagged"]
    gap = found["difference"]
    said = spoken(gap, True) if gap["value"] is not None else gap["reason"]
    return f"unflagged {spoken(off)}, n = {off['n']}; flagged {spoken(on)}, n = {on['n']}; difference {said}"


if __name__ == "__main__":
    main()
