"""Lists for the terminal: the public sets, the architectures."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
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
    table = Table(box=None, pad_edge=False)
    for column in ("name", "holds", "images", "patients", "licence", "account"):
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    for entry in CATALOGUE:
        account = "needed" if entry.account else "no"
        table.add_row(entry.name, entry.holds, entry.images, entry.patients, entry.licence, account)
    console.print(table)
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
