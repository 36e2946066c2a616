"""Write docs/cli.md from the commands themselves: ``python docs/make_cli.py`` (a test holds the two together)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from cxrlens.cli import app

TARGET = Path(__file__).with_name("cli.md")
HEAD = """# Command line

Made from the commands by `python docs/make_cli.py`; a test holds the two together.

Exit codes: 0 done; 2 a mistake that one line on standard error explains (the thing, the fault, the remedy); 3 done, but
something was passed over, and standard error says what; 130 stopped from the keyboard; 1 nobody reads the output any
more (`predict … | head`). `check` counts a refused image as passed over; for `predict` a refusal is an answer.

`cxrlens --version` prints the version.
"""


def reference() -> str:
    """The whole page as Markdown."""
    group: Any = typer.main.get_command(app)
    return HEAD + "".join(_command(name, command) for name, command in group.commands.items())


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join(_usage(p) for p in arguments)
    lines = [
        "",
        f"## cxrlens {name}",
        "",
        (command.help or "").strip(),
        "",
        "```",
        " ".join(filter(None, ["cxrlens", name, usage, "[OPTIONS]"])),
        "```",
        "",
    ]
    lines += ["| option | meaning | default |", "|---|---|---|"]
    lines += [f"| `{_usage(p)}` | {p.help} | |" for p in arguments]
    lines += [f"| `{', '.join([*p.opts, *p.secondary_opts])}` | {p.help} | {_default(p)} |" for p in options]
    return "\n".join(lines) + "\n"


def _usage(parameter: Any) -> str:
    name = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "must be given"
    default = parameter.default
    if parameter.secondary_opts:
        return f"`{(parameter.opts if default else parameter.secondary_opts)[0]}`"
    return "" if default is None or default is False or default in ((), []) else f"`{default}`"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
