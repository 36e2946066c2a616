from pathlib import Path

import numpy as np
from PIL import Image

from cxrlens.progress import quiet
from cxrlens.sources.phantom import PhantomOptions, write_phantom
from cxrlens.sources.synthetic import any_synthetic, is_synthetic


def test_every_readable_phantom_is_known_as_synthetic_and_a_mixture_too(tmp_path: Path):
    write_phantom(tmp_path / "p", PhantomOptions(images=40, seed=3, size=96), quiet)
    other = tmp_path / "real.png"
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(other)
    pictures = []
    for path in (tmp_path / "p" / "collections").rglob("*.*"):
        try:
            Image.open(path).load()
        except OSError:
            continue
        pictures.append(path)
    assert len(pictures) >= 40
    unmarked = [p for p in pictures if not is_synthetic(p)]
    assert not unmarked
    assert not any_synthetic([other])
    assert any_synthetic([other, pictures[0]])


def test_a_missing_file_is_not_synthetic(tmp_path: Path):
    assert not is_synthetic(tmp_path / "none.png")
