"""Templates of the widgets: everything that goes into them is escaped."""

from __future__ import annotations

import datetime
import functools
import re
import time
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from mlops_nb.widgets.words import amount, duration, figure, moment, since

__all__ = ["page", "render"]


def render(template: str, **values: Any) -> Markup:
    """Return a template of ``mlops_nb/widgets/templates`` as HTML; values are escaped."""
    return Markup(_environment().get_template(template).render(**values))  # noqa: S704 - made by an escaping template


def page(body: Markup, *, name: str, picture: str = "") -> Markup:
    """Return HTML that stands alone, as it is kept in a saved notebook.

    Parameters
    ----------
    body
        What the widget shows.
    name
        What the picture is of.
    picture
        Id by which the live widget finds the picture that it takes the place of.
    """
    now = datetime.datetime.fromtimestamp(time.time()).astimezone()
    return render(
        "page.html.j2",
        body=body,
        name=name,
        picture=picture,
        css=_css(),
        taken=f"{now:%Y-%m-%d %H:%M %Z}",
    )


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("mlops_nb.widgets"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(amount=amount, duration=duration, figure=figure, moment=moment, since=since)
    return made


@functools.cache
def _css() -> Markup:
    text = (Path(__file__).parent / "assets" / "theme.css").read_text(encoding="utf-8")
    short = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return Markup(re.sub(r"\s+", " ", short).strip())  # noqa: S704 - our own style sheet
