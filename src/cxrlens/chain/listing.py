"""Lists for the terminal: the public sets, the architectures."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from cxrlens.model import MODELS
from cxrlens.sources.catalogue import CATALOGUE, PublicSet, find


def list_models(console: Console) -> None:
    """The architectures by name."""
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    for name, description in MODELS.items():
        table.add_row(name, description)
    console.print(table)


def list_sources(name: str | None, console: Console) -> None:
    """The catalogue as a table, or one set in full."""
    if name is not None:
        _one(find(name), console)
        return
    for entry in CATALOGUE:
        console.print(f"[bold]{entry.name:<16}[/] {escape(entry.title)}")
        account = "account needed" if entry.account else "no account needed"
        how = f"cxrlens fetch {entry.name}" if entry.files else "got by hand"
        for line in (f"images: {entry.images}; holds: {entry.holds}", f"licence: {entry.licence}; {account}; {how}"):
            console.print(Padding(escape(line), (0, 0, 0, 17)), soft_wrap=False)
    console.print("one in full, with citation and known faults: cxrlens sources NAME")


def _one(entry: PublicSet, console: Console) -> None:
    console.print(f"[bold]{escape(entry.title)}[/] ({entry.name})")
    facts = {
        "holds": entry.holds,
        "images": entry.images,
        "patients": entry.patients,
        "licence": entry.licence,
        "citation": entry.citation,
        "where": entry.url,
        "account": entry.account or "none is needed",
        "fetch": f"cxrlens fetch {entry.name}" if entry.files else "by hand",
    }
    for what, text in facts.items():
        console.print(f"  {what:<9} {escape(text)}")
    for caveat in entry.caveats:
        console.print(f"  [yellow]caveat[/]    {escape(caveat)}")
