"""Documentation is held to the code: the map to the disk, the tables to the commands, the links to the files."""

import importlib.util
import re
from pathlib import Path

import pytest
import typer

from cxrlens.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = set(typer.main.get_command(app).commands)


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"README has no section '{title}'"
    return found.group(1)


def test_the_command_reference_is_made_from_the_commands():
    spec = importlib.util.spec_from_file_location("make_cli", ROOT / "docs" / "make_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text(encoding="utf-8") == module.reference(), "run: python docs/make_cli.py"


def test_the_table_of_commands_names_each_command_once():
    named = re.findall(r"^\| `cxrlens ([a-z]+)", section("Commands"), re.MULTILINE)
    assert sorted(named) == sorted(COMMANDS)


def test_the_file_map_is_what_lies_on_disk():
    mapped = set(re.findall(r"^\| `([^`]+)`", section("File map"), re.MULTILINE))
    package = ROOT / "src" / "cxrlens"
    parts = {
        f"src/cxrlens/{p.name}" + ("/" if p.is_dir() else "")
        for p in package.iterdir()
        if not p.name.startswith("_") and p.name != "py.typed"
    }
    folders = {f"{name}/" for name in ("tests", "benchmarks", "docs", "notebooks")}
    assert mapped == parts | folders


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_point_at_files_that_exist(page: Path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} points at {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_name_commands_that_exist_and_no_place_of_one_machine(page: Path):
    text = page.read_text(encoding="utf-8")
    for command in re.findall(r"(?m)(?:^|`|\$ )cxrlens ([a-z]+)(?= )", text):
        assert command in COMMANDS, f"{page.name}: cxrlens {command}"
    assert not re.search(r"(/work/|/tmp/|/root/|/home/[a-z]+/)", text)
    assert "TBD" not in text


def test_readme_says_what_this_is_not():
    assert "not a medical device" in README


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split())
    explained = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    assert phony == explained
    for command in ("make demo", "make test"):
        assert command in README
        assert command.split()[1] in explained


def test_continuous_integration_runs_the_readme_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()
