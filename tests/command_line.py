"""The command line in this process: what it would say, without the seconds that a process of its own takes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cxrlens import cli


def told(
    command: str, known: Mapping[str, object], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> tuple[object, list[str], list[str]]:
    """Exit code, lines on standard output, lines on standard error; ``{name}`` in the command is from ``known``."""
    monkeypatch.setattr("sys.argv", ["cxrlens", *(word.format(**known) for word in command.split())])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capfd.readouterr()
    return left.value.code, said.out.splitlines(), said.err.splitlines()
