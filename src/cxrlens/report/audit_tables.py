"""The figures of a part of the audit as tables: any nesting of intervals, numbers and words that a part may write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxrlens.report.figures import Measured, parse
from cxrlens.report.rendering import NOT_MEASURED, count, number

MOST_ROWS = 40
MOST_COLUMNS = 7

Cell = Measured | str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: what it is about, and its cells."""

    head: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of evidence.

    Args:
        caption: what it shows, in plain words.
        columns: headings, the first one over the heads of the rows.
        rows: at most :data:`MOST_ROWS`.
        more: rows that were left out.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    more: int = 0


def tables_of(figures: Mapping[str, Any], title: str = "Figures") -> list[Table]:
    """Everything in ``figures``: single values as one table, each list or object of like entries as its own."""
    single = {key: value for key, value in figures.items() if _is_leaf(value)}
    tables = []
    if single:
        rows = tuple(Row(words(key), (cell(value),)) for key, value in single.items())
        tables.append(Table(f"{title}.", ("Figure", "Value"), rows[:MOST_ROWS], max(0, len(rows) - MOST_ROWS)))
    for key, value in figures.items():
        if key not in single:
            tables.extend(_nested(words(key), value))
    return tables


def table(caption: str, columns: Sequence[str], rows: Sequence[Row]) -> Table:
    """A table with no more rows than a reader will look at."""
    return Table(caption, tuple(columns), tuple(rows[:MOST_ROWS]), max(0, len(rows) - MOST_ROWS))


def cell(value: Any) -> Cell:
    """A value as a reader sees it; intervals stay intervals."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        measured = parse(value)
        return measured if measured is not None else str(value.get("reason") or NOT_MEASURED)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(_flat(each) for each in value) or "–"
    return str(value)


def words(key: str) -> str:
    """``full_model`` → ``Full model``; names with capitals or spaces of their own stay as they are."""
    text = str(key).replace("_", " ").strip()
    return text[:1].upper() + text[1:] if text.islower() else text


def _nested(title: str, value: Any) -> Iterator[Table]:
    if isinstance(value, list | tuple):
        entries = [(str(i + 1), each) for i, each in enumerate(value) if isinstance(each, Mapping)]
        if entries:
            yield _of_entries(title, entries)
        return
    entries = list(value.items())
    if not entries:
        return
    if all(isinstance(inner, Mapping) and not _is_interval(inner) for _, inner in entries):
        if all(_is_leaf(leaf) for _, inner in entries for leaf in inner.values()):
            yield _of_entries(title, [(key.replace("_", " "), inner) for key, inner in entries])
            return
        for key, inner in entries:
            yield from tables_of(inner, f"{title}: {words(key)}")
        return
    yield from tables_of(value, title)


def _of_entries(title: str, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Like objects, one a row; the first column that only names the row becomes its head."""
    keys = list(dict.fromkeys(key for _, inner in entries for key in inner if _is_leaf(inner[key])))
    naming = next(
        (key for key in keys if entries and all(isinstance(inner.get(key), str) for _, inner in entries)), None
    )
    numbered = all(head == str(i + 1) for i, (head, _) in enumerate(entries))
    if numbered and naming is not None:
        keys.remove(naming)
    keys = keys[:MOST_COLUMNS]
    rows = []
    for head, inner in entries:
        name = str(inner[naming]) if numbered and naming is not None else head
        rows.append(Row(name, tuple(cell(inner.get(key)) for key in keys)))
    first = words(naming) if numbered and naming is not None else "What"
    return table(f"{title}.", (first, *(words(key) for key in keys)), rows)


def _is_interval(value: Any) -> bool:
    return isinstance(value, Mapping) and "value" in value


def _is_leaf(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _is_interval(value)
    if isinstance(value, list | tuple):
        return not any(isinstance(each, Mapping | list | tuple) for each in value)
    return True


def _flat(value: Any) -> str:
    shown = cell(value)
    return shown if isinstance(shown, str) else number(shown.value)
