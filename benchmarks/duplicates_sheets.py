"""Side-by-side sheets of pairs, for a person to judge. They show real radiographs: keep them out of the repository."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

SIDE = 190
COLUMNS = 3
ROWS = 8


def write_sheets(pairs: pd.DataFrame, folder: Path, name: str) -> int:
    """Write PNG sheets of a, b brought into a's frame, and b; returns how many sheets."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = [_cell(number, row) for number, row in enumerate(pairs.to_dict("records"))]
    sheets = 0
    for start in range(0, len(cells), ROWS * COLUMNS):
        part = cells[start : start + ROWS * COLUMNS]
        part += [np.zeros_like(cells[0])] * (-len(part) % COLUMNS)
        rows = [np.hstack(part[i : i + COLUMNS]) for i in range(0, len(part), COLUMNS)]
        cv2.imwrite(str(folder / f"{name}-{sheets}.png"), np.vstack(rows))
        sheets += 1
    return sheets


def _cell(number: int, row: dict[str, object]) -> NDArray[np.uint8]:
    a, b = (cv2.imread(str(row[key]), cv2.IMREAD_GRAYSCALE) for key in ("path_a", "path_b"))
    a, b = (cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in (a, b))
    way = np.array([float(n) for n in str(row["map"]).split()]).reshape(2, 3)
    way = np.column_stack([way[:, :2], way[:, 2] * SIDE - 0.5 + way[:, :2] @ (0.5, 0.5)])
    moved = cv2.warpAffine(b, way, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    caption = np.zeros((24, 3 * SIDE), np.uint8)
    names = " | ".join("/".join(Path(str(row[key])).parts[-3::2])[:48] for key in ("path_a", "path_b"))
    for line, text in enumerate((f"{number}  {row['score']:.3f}", names)):
        cv2.putText(caption, text, (2, 10 + 12 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.32, 255, 1)
    return np.vstack([caption, np.hstack([a, moved, b])])
