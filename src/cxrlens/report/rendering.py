"""Templates to text: the Jinja environment, and the filters that print figures the same way everywhere."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from cxrlens import RESEARCH_ONLY, __version__
from cxrlens.report.figures import Measured

NOT_MEASURED = "not measured"
NOT_RECORDED = "not recorded"


def render(template: str, **values: Any) -> str:
    """Fill a template of this package. HTML is escaped by default; Markdown (``*.md.j2``) escapes its own cells."""
    shared = {"research_only": RESEARCH_ONLY, "version": __version__, "written": datetime.now(UTC).date().isoformat()}
    return _environment().get_template(template).render(**shared, **values)


def number(value: float | None, digits: int = 3) -> str:
    """``0.8497`` → ``0.850``; the words "not measured" for nothing and for NaN."""
    if value is None or math.isnan(value):
        return NOT_MEASURED
    return f"{value:.{digits}f}".replace("-", "−")


def measured(value: Measured | None, digits: int = 3) -> str:
    """``0.850 (0.812 to 0.884)``; without an interval only the value."""
    if value is None:
        return NOT_MEASURED
    if value.low is None or value.high is None:
        return number(value.value, digits)
    return f"{number(value.value, digits)} ({number(value.low, digits)} to {number(value.high, digits)})"


def percent(value: float | None) -> str:
    """``0.123`` → ``12 %``; below 1 % one digit is kept so that "0 %" means none."""
    if value is None or math.isnan(value):
        return NOT_MEASURED
    share = 100 * value
    return f"{share:.1f} %" if 0 < share < 1 or 99 < share < 100 else f"{share:.0f} %"


def count(value: float) -> str:
    """``12345`` → ``12,345``."""
    return f"{int(value):,}"


def plural(value: float, one: str, many: str = "") -> str:
    """``3, "image"`` → ``3 images``."""
    return f"{int(value):,} {one if int(value) == 1 else many or one + 's'}"


def duration(seconds: float | None) -> str:
    """``3725`` → ``1 h 2 min``."""
    if seconds is None or math.isnan(seconds):
        return NOT_MEASURED
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s" if seconds < 10 else f"{rest} s"


def markdown_cell(value: object) -> str:
    """Text safe inside a Markdown table or list: no line break, no markup of Markdown or HTML comes through."""
    text = re.sub(r"\s+", " ", str(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", text)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cxrlens.report", "templates"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for each in (number, measured, percent, count, plural, duration):
        environment.filters[each.__name__] = each
    environment.filters["md"] = markdown_cell
    return environment
