"""The one piece of browser code of the widgets: HTML from Python, presses back to Python.

Tables that sort, graphs and timelines are written by the same templates for the live widget and for
the picture in the saved notebook; the browser only shows them and says which button was pressed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Style", "Surface", "style"]

_ASSETS = Path(__file__).parent / "assets"


class Surface(anywidget.AnyWidget):
    """A part of a panel that shows HTML and tells what is pressed in it.

    Parameters
    ----------
    html
        What to show; made by a template of `mlops_nb.widgets.markup`, which escapes.
    live
        How a screen reader announces changes: ``polite``, ``assertive``, or not at all.
    picture
        Id of the picture in the saved notebook that this takes the place of while it is on the page.
    """

    _esm = _ASSETS / "surface.js"
    html = traitlets.Unicode("").tag(sync=True)
    live = traitlets.Unicode("").tag(sync=True)
    picture = traitlets.Unicode("").tag(sync=True)

    def __init__(self, html: str = "", *, live: str = "", picture: str = "") -> None:
        super().__init__(html=str(html), live=live, picture=picture)
        self._actions: dict[str, Callable[[str], None]] = {}
        self.on_msg(self._pressed)

    def on(self, action: str, call: Callable[[str], None]) -> None:
        """Have a function called with ``data-value`` when an element of ``data-do=action`` is pressed."""
        self._actions[action] = call

    def press(self, action: str, value: str = "") -> None:
        """Do what a press in the browser does."""
        self._pressed(self, {"do": action, "value": value}, [])

    def _pressed(self, _: object, message: Any, __: object) -> None:
        # The message comes from the browser: anything that is not an action of ours is no action.
        if not isinstance(message, dict):
            return
        call = self._actions.get(str(message.get("do", "")))
        if call is not None:
            call(str(message.get("value", "")))


class Style(anywidget.AnyWidget):
    """The style sheet of all widgets; one for a kernel, one element in a page."""

    _esm = "export default { render({ el }) { el.style.display = 'none'; } };"
    _css = _ASSETS / "theme.css"


_shared: list[Style] = []


def style() -> Style:
    """Return the style sheet that all panels share."""
    if not _shared or _shared[0].comm is None:
        _shared[:] = [Style()]
    return _shared[0]
