"""The notebook way, for comparison: Keras and ``flow_from_directory``, every image decoded in every epoch, 224 pixels.

    PYTHON_WITH_TENSORFLOW benchmarks/keras_notebook_way.py FOLDER [--batch-size 64] [--steps 15]

The network is cxrlens's ``plain`` layer by layer. Needs tensorflow-cpu, pillow and scipy; nothing of cxrlens. The last
line printed is JSON with ``images_per_s``.
"""

from __future__ import annotations

import argparse
import json
import time

import keras
from keras import layers
from keras.src.legacy.preprocessing.image import ImageDataGenerator

SIZE = 224


def plain(classes: int) -> keras.Model:
    """Seven- and five-pixel filters, then pairs of three-pixel ones; pooling to 4 × 4; dense 256, 64, classes."""

    def convolution(filters: int, kernel: int, strides: int = 1) -> list[layers.Layer]:
        return [
            layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]

    return keras.Sequential(
        [
            layers.Input((SIZE, SIZE, 1)),
            *convolution(32, 7, 2),
            layers.MaxPooling2D(2),
            *convolution(48, 5),
            layers.MaxPooling2D(2),
            *convolution(96, 3),
            *convolution(96, 3),
            layers.MaxPooling2D(2),
            *convolution(128, 3),
            *convolution(128, 3),
            layers.MaxPooling2D(5, 3),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def main() -> None:
    """Time ``fit`` after a warm-up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=15)
    arguments = parser.parse_args()
    generator = ImageDataGenerator(
        rescale=1 / 255, rotation_range=7, width_shift_range=0.06, height_shift_range=0.06, zoom_range=0.1
    )
    flow = generator.flow_from_directory(
        arguments.folder, (SIZE, SIZE), "grayscale", batch_size=arguments.batch_size, seed=0
    )
    model = plain(flow.num_classes)
    model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(flow, steps_per_epoch=3, epochs=1, verbose=0)
    began = time.perf_counter()
    model.fit(flow, steps_per_epoch=arguments.steps, epochs=1, verbose=0)
    seconds = time.perf_counter() - began
    images = arguments.steps * arguments.batch_size
    print(json.dumps({"images_per_s": images / seconds, "parameters": model.count_params()}))


if __name__ == "__main__":
    main()
