"""What every panel shares: its frame, its notices, work in the background, and its picture.

A panel leaves two outputs in a notebook. The first is a picture (HTML, and PNG where a plot makes
sense) that shows the same as the widget, so that nbconvert, GitHub and a notebook opened without a
kernel have something true to show. The second is the live widget, which hides the picture while it is
on the page. The picture follows every result, so what is saved is what was last seen.
"""

from __future__ import annotations

import base64
import os
import threading
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import ipywidgets

from mlops_nb.widgets.markup import page, render
from mlops_nb.widgets.surface import Surface, style
from mlops_nb.widgets.work import Failure, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup

__all__ = ["VIEW", "Panel", "attended"]

VIEW = "application/vnd.jupyter.widget-view+json"
T = TypeVar("T")


def attended() -> bool:
    """Whether somebody is there to see live widgets.

    Who runs a whole notebook (nbconvert, papermill, a pipeline's run) says in each request that
    nobody can answer a question; then a panel finishes its work first and leaves its picture alone.
    Voilà runs notebooks that way too, but for people to look at.
    """
    from IPython.core.getipython import get_ipython

    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return True
    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return True
    request = kernel.get_parent("shell")
    return bool(request.get("content", {}).get("allow_stdin", True))


class Panel(ipywidgets.VBox):
    """A framed widget that works in the background and leaves a picture.

    Subclasses build their content, hand it to this constructor and override `body`.

    Parameters
    ----------
    name
        What it is, for people and screen readers: ``models of flights``.
    content
        The widgets in it, top to bottom; notices stand below them.
    below
        Widgets that stand below the notices.
    """

    def __init__(
        self,
        name: str,
        *content: ipywidgets.Widget,
        below: tuple[ipywidgets.Widget, ...] = (),
    ) -> None:
        self.name = name
        self._picture_id = uuid.uuid4().hex
        self._displayed = False
        self._showing = threading.RLock()
        """Held while a result is put in, and while a picture is taken."""
        self._failure: Failure | None = None
        self._notice = Surface(live="polite", picture=self._picture_id)
        self._work = Work(self._show_failure, self._show_busy)
        super().__init__([style(), *content, self._notice, *below])
        self.add_class("mnb-panel")

    def body(self) -> Markup:
        """Return what the panel shows as HTML, without controls."""
        raise NotImplementedError

    def image(self) -> bytes | None:
        """Return a picture of it as PNG, where a plot makes sense."""
        return None

    def set_enabled(self, enabled: bool) -> None:
        """Allow or forbid what must not be pressed while work goes on."""

    @property
    def busy(self) -> bool:
        """Whether work goes on."""
        return self._work.busy

    @property
    def failure(self) -> Failure | None:
        """What the last work failed of, if it did."""
        return self._failure

    def start(
        self, label: str, job: Callable[[], T], then: Callable[[T], None] | None = None
    ) -> bool:
        """Do work off the main thread; see `mlops_nb.widgets.work.Work.start`.

        Where nobody is there to look it is finished before this returns.
        """
        self._failure = None

        def show(result: T) -> None:
            if then is not None:
                with self._showing:
                    then(result)
            self.update_picture()

        begun = self._work.start(label, job, show)
        if begun and not attended():
            self._work.wait()
        return begun

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for work in the background, at most so many seconds; return whether it has ended."""
        return self._work.wait(timeout)

    def say(self, text: str, tone: str = "done") -> None:
        """Show a line below the panel: ``done``, ``caution`` or ``dim``."""
        self._notice.html = str(self._notice_html(text=text, tone=tone))

    def fail(self, error: BaseException, label: str = "") -> None:
        """Show an error that no work in the background raised."""
        self._show_failure(Failure.of(error), label)

    def progress(self, text: str, share: float | None = None) -> None:
        """Show how far the work is, from 0 to 1 where that is known."""
        self._notice.html = str(self._notice_html(busy=text, share=share))

    def _notice_html(self, **values: Any) -> Markup:
        defaults: dict[str, Any] = {"failure": None, "label": "", "busy": "", "share": None}
        return render("notice.html.j2", **{**defaults, "text": "", "tone": "dim", **values})

    def _show_busy(self, label: str) -> None:
        self.set_enabled(not label)
        if label:
            self.progress(f"{label} …")
        elif "mnb-busy" in self._notice.html:
            self._notice.html = ""

    def _show_failure(self, failure: Failure, label: str) -> None:
        self._failure = failure
        self._notice.html = str(self._notice_html(failure=failure, label=label))
        self.update_picture()

    def picture(self) -> Markup:
        """Return the panel as HTML that stands alone."""
        shown = self.body()
        if self._failure is not None:
            shown += self._notice_html(failure=self._failure)
        return page(shown, name=self.name, picture=self._picture_id)

    def _still(self) -> dict[str, Any]:
        with self._showing:
            bundle: dict[str, Any] = {"text/html": str(self.picture()), "text/plain": self.name}
            png = self.image()
        if png is not None:
            bundle["image/png"] = base64.b64encode(png).decode()
        return bundle

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {**self._still(), VIEW: view} if attended() else self._still()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        live = attended()
        if not live:
            self._work.wait()
        display(self._still(), raw=True, display_id=self._picture_id)
        if live:
            self._displayed = True
            # Alone: nbconvert would fall back to a text beside it, below the picture.
            display({VIEW: self._repr_mimebundle_()[VIEW]}, raw=True)

    def update_picture(self) -> None:
        """Replace the picture in the notebook by what the panel shows now."""
        if self._displayed:
            from IPython.display import update_display

            update_display(self._still(), raw=True, display_id=self._picture_id)

    def close(self) -> None:
        """Wait for the work, and take the panel off the page."""
        self._work.wait()
        super().close()
