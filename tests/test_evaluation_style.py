from pathlib import Path

import numpy as np
from PIL import Image

from cxrlens.evaluation import style


def saved(path: Path, *, synthetic: bool) -> Image.Image:
    figure = style.new_figure(3, 2)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1])
    return Image.open(style.save(figure, path, synthetic=synthetic))


def test_a_figure_of_synthetic_pictures_says_so_in_the_plot_and_in_the_file(tmp_path: Path):
    marked, plain = saved(tmp_path / "a.png", synthetic=True), saved(tmp_path / "b.png", synthetic=False)
    assert "SYNTHETIC" in marked.text["Comment"]
    assert "Comment" not in plain.text
    orange = np.array([0xD5, 0x5E, 0x00])

    def inked(image: Image.Image) -> int:
        return int((np.abs(np.asarray(image.convert("RGB")).astype(int) - orange).sum(axis=2) < 60).sum())

    assert inked(marked) > 100
    assert inked(plain) == 0
