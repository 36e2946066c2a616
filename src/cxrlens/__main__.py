"""Entry of the command line. ``predict`` in its plain form takes a short way past the command-line library.

Importing that library and letting it check six options takes as long as judging an image. So where the words after
``predict`` are exactly its options with a value each, and files, they are taken apart here; whatever else they are
(``--help``, a slip of the pen, another command) goes to ``cli.py``, which understands the same and says what is wrong.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import NoReturn

OPTIONS: tuple[str, ...] = ("model", "format", "cam", "dicom", "target", "layer", "engine")
"""Options of ``predict``; all of them take a value. A test holds them to the command's own."""


def main() -> None:
    """Entry point."""
    with warnings.catch_warnings():
        # Libraries warn of odd headers with the values that they hold, and a value may be a patient's name. What is
        # wrong with a file its row or its line says.
        warnings.filterwarnings("ignore", module=r"(PIL|pydicom|highdicom)\b")
        _run()


def _run() -> None:
    plain = plain_predict(sys.argv[1:])
    if plain is None:
        from cxrlens.cli import main as whole

        whole()
        return
    gc.set_threshold(100_000)  # the imports make a lot that stays; looking through it again and again takes 10 ms
    _leave(_answer(*plain))


def _answer(images: Sequence[str], options: Mapping[str, str]) -> int:
    """The exit code."""
    from cxrlens.commands.first_export import export_first
    from cxrlens.errors import CxrlensError, mendable
    from cxrlens.serving.answering import Request, answer

    try:
        return answer(Request.of(images, options), export_first)
    except (CxrlensError, OSError) as error:
        told = mendable(error)
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130


def _leave(code: int) -> NoReturn:
    """End the process without taking its libraries apart one by one, which takes a tenth of an answer's time."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads any more
        code = code or 1
    os._exit(code)


def plain_predict(words: Sequence[str]) -> tuple[list[str], dict[str, str]] | None:
    """Images and options of ``predict``, or ``None`` where it is another command or not in its plain form."""
    if not words or words[0] != "predict":
        return None
    images: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith("-"):
            images.append(word)
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        if name not in OPTIONS or not word.startswith("--") or name in options:
            return None
        given = value if equals else next(rest, None)
        if given is None or (not equals and given.startswith("-")):
            return None
        options[name] = given
    return (images, options) if images and "model" in options else None


if __name__ == "__main__":
    main()
