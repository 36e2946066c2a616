"""The shape of the code is held by tests, not by good intentions."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "cxrlens"
FILES = sorted(SOURCE.rglob("*.py"))


def test_imports_run_one_way():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=SOURCE.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_no_utils_module():
    assert not [f for f in FILES if f.stem in {"utils", "util", "helpers", "common", "misc"}]


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_a_file_holds_one_idea(file: Path):
    assert len(file.read_text().splitlines()) <= 350, "above 350 lines a file is two ideas"


def test_functions_take_few_parameters():
    """Commands of the shell are exempt: their parameters are the options a user sees."""
    crowded = [
        f"{file.relative_to(SOURCE)}:{node.name}"
        for file in FILES
        if file.name != "cli.py" and file.parent.name != "commands"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len(node.args.args) + len(node.args.kwonlyargs) - (node.args.args[:1] == ["self"]) > 9
    ]
    assert not crowded


def test_nothing_is_left_to_do_and_nothing_swallowed():
    for file in FILES:
        text = file.read_text()
        assert "TODO" not in text, file
        assert "FIXME" not in text, file
        assert "pickle.load" not in text, file
        assert "filterwarnings" not in text or "catch_warnings" in text, f"{file}: global warning filter"
