"""The command line as a user meets it: exit codes, one-line errors, and a --help that answers at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from command_line import told

CXRLENS = Path(sys.executable).with_name("cxrlens")
COMMANDS = (
    "demo", "run", "phantom", "sources", "models", "fetch", "curate", "split", "train", "evaluate", "explain", "report",
)  # fmt: skip


def cxrlens(*words: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CXRLENS, *map(str, words)], capture_output=True, text=True, timeout=timeout, check=False)


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nsys.argv = ['cxrlens', '--help']\nfrom cxrlens.cli import app\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'cv2', 'matplotlib', 'sklearn', 'scipy', 'pydicom', 'PIL'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_names_every_command_and_says_research_only():
    text = cxrlens("--help").stdout
    assert "not a medical device" in " ".join(text.split())
    for command in COMMANDS:
        assert command in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    code, said, _ = told(f"{command} --help", {}, monkeypatch, capfd)
    assert not code
    assert any("Usage" in line for line in said)


def test_a_mistake_in_a_process_of_its_own_exits_with_2(tmp_path: Path):
    done = cxrlens("evaluate", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_version_is_the_package_version():
    from cxrlens import __version__

    assert cxrlens("--version").stdout.strip() == f"cxrlens {__version__}"


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("curate {tmp}/none --out {tmp}/d", "none"),
        ("split {tmp}", "cxrlens curate"),
        ("train {tmp} --out {tmp}/r", "cxrlens curate"),
        ("evaluate {tmp}", "cxrlens train"),
        ("explain {tmp}", "cxrlens train"),
        ("report {tmp}", "neither"),
        ("fetch no-such-set --out {tmp}", "no-such-set"),
        ("curate {tmp} --out {tmp}/d --column label", "NAME=VALUE"),
        ("train {tmp} --out {tmp}/r --set x", "NAME=VALUE"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, command: str, names: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    code, _, said = told(command, {"tmp": tmp_path}, monkeypatch, capfd)
    assert code == 2, said
    lines = [line for line in said if line.strip()]
    assert len(lines) == 1, said
    assert lines[0].startswith("error: ")
    assert names in lines[0]
