"""A form made from a notebook's parameters cell; it runs the notebook and shows how far it is."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from mlops_nb.api import single as api
from mlops_nb.errors import ParameterError
from mlops_nb.model import Parameter, encode
from mlops_nb.widgets.base import Panel
from mlops_nb.widgets.markup import render
from mlops_nb.widgets.surface import Surface
from mlops_nb.widgets.words import duration, mark

if TYPE_CHECKING:
    from markupsafe import Markup

    from mlops_nb.model import Json

__all__ = ["ParameterForm"]


class ParameterForm(Panel):
    """A form for any notebook's parameters; it runs the notebook with them.

    Each parameter gets the control that fits its type, its default, and the comment that stands
    beside it in the notebook. The notebook itself stays as it is: what was executed is kept in
    ``.mlops/scratch/notebooks/`` as a notebook and as a page.

    Parameters
    ----------
    notebook
        The notebook's path, from the current folder or from the project's.
    project
        A folder or a specification; by default the project that the current folder lies in.
    timeout
        Seconds a run may take.

    Examples
    --------
    >>> from mlops_nb.widgets import ParameterForm
    >>> ParameterForm("notebooks/4_train.ipynb")  # doctest: +SKIP
    """

    def __init__(
        self, notebook: Path | str, *, project: str | None = None, timeout: float | None = None
    ) -> None:
        self.notebook, self.project, self.timeout = Path(notebook), project, timeout
        self._parameters: tuple[Parameter, ...] | None = None
        self._fields: dict[str, ipywidgets.Widget] = {}
        self._result: api.NotebookRun | None = None
        self._cancel = threading.Event()
        self._head, self._outcome = Surface(), Surface(live="polite")
        self._form = ipywidgets.GridBox(
            [], layout={"grid_template_columns": "max-content minmax(180px, 320px) 1fr"}
        )
        self._form.add_class("mnb-form")
        self._start = ipywidgets.Button(
            description="Run", button_style="primary", disabled=True,
            tooltip="run the notebook with these parameters",
        )  # fmt: skip
        self._stop = ipywidgets.Button(
            description="Stop", disabled=True, tooltip="interrupt the notebook"
        )
        self._reset = ipywidgets.Button(
            description="Reset", disabled=True, tooltip="back to the notebook's own values"
        )
        controls = ipywidgets.HBox([self._start, self._stop, self._reset])
        controls.add_class("mnb-controls")
        super().__init__(
            f"parameters of {self.notebook.name}", self._head, self._form, controls, self._outcome
        )
        self._start.on_click(lambda _: self.run())
        self._stop.on_click(lambda _: self.stop())
        self._reset.on_click(lambda _: self.reset())
        self._draw()
        self.start("reading the notebook", self._read, self._build)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What the notebook declares."""
        return self._parameters or ()

    @property
    def fields(self) -> dict[str, ipywidgets.Widget]:
        """The control of each parameter, by name."""
        return dict(self._fields)

    @property
    def result(self) -> api.NotebookRun | None:
        """How the last run ended."""
        return self._result

    def values(self) -> dict[str, Json]:
        """Return what differs from the notebook's own values, checked.

        Raises
        ------
        ParameterError
            A value is not of its parameter's type.
        """
        given = {
            parameter.name: self._fields[parameter.name].value
            for parameter in self.parameters
            if self._fields[parameter.name].value != _shown(parameter)
        }
        return api.read_values(self.parameters, given)

    def run(self) -> None:
        """Run the notebook with the form's values, in the background."""
        try:
            values = self.values()
        except ParameterError as error:
            self.fail(error, f"running {self.notebook.name}")
            return
        self._cancel = cancel = threading.Event()
        self._result = None
        self._draw()

        def work() -> api.NotebookRun:
            return api.run_notebook(
                self.project,
                self.notebook,
                values,
                on_cell=lambda at: self.progress(
                    f"running {self.notebook.name}: cell {at.done} of {at.total}",
                    at.done / at.total if at.total else None,
                ),
                timeout=self.timeout,
                cancel=cancel,
            )

        if self.start(f"running {self.notebook.name}", work, self._finish):
            self._stop.disabled = False

    def stop(self) -> None:
        """Interrupt the notebook that runs."""
        self._cancel.set()

    def reset(self) -> None:
        """Set every field back to the notebook's own value."""
        for parameter in self.parameters:
            self._fields[parameter.name].value = _shown(parameter)

    def _read(self) -> tuple[Parameter, ...]:
        return api.notebook_parameters(self.project, self.notebook)

    def _build(self, parameters: tuple[Parameter, ...]) -> None:
        shown = tuple(item for item in parameters if item.name not in ("upstream", "product"))
        self._fields = {parameter.name: _field(parameter) for parameter in shown}
        self._parameters = shown  # last: who sees these looks for their fields
        cells: list[ipywidgets.Widget] = []
        for parameter in shown:
            cells += [
                Surface(str(render("label.html.j2", parameter=parameter))),
                self._fields[parameter.name],
                Surface(str(render("help.html.j2", parameter=parameter))),
            ]
        self._form.children = cells
        self._draw()

    def _finish(self, result: api.NotebookRun) -> None:
        self._result = result
        self._draw()

    def set_enabled(self, enabled: bool) -> None:
        """Forbid a second run at the same time."""
        ready = enabled and self._parameters is not None
        self._start.disabled = self._reset.disabled = not ready
        for field in self._fields.values():
            field.disabled = not enabled
        if enabled:
            self._stop.disabled = True

    def _draw(self) -> None:
        self._head.html = str(
            render("form.html.j2", notebook=self.notebook, parameters=self._parameters)
        )
        self._outcome.html = str(self._outcome_html())

    def _outcome_html(self) -> Markup:
        return render("outcome.html.j2", result=self._result, mark=mark, duration=duration)

    def body(self) -> Markup:
        """Return the parameters with their values, and how the last run ended, as HTML."""
        values = [(parameter, self._fields[parameter.name].value) for parameter in self.parameters]
        head = render("form.html.j2", notebook=self.notebook, parameters=self._parameters)
        return head + render("values.html.j2", values=values) + self._outcome_html()

    def close(self) -> None:
        """Interrupt what runs, and take the form off the page."""
        self.stop()
        super().close()


def _shown(parameter: Parameter) -> Any:
    """Return a parameter's default as its field holds it."""
    if _kind(parameter) in ("bool", "int"):
        return parameter.default
    return _text(parameter)


def _kind(parameter: Parameter) -> str:
    plain = {"bool": bool, "int": int}.get(parameter.type)
    # A default that is an expression, or none, has no place in a number's field.
    if plain is not None and parameter.literal and type(parameter.default) is plain:
        return parameter.type
    return "text"


def _text(parameter: Parameter) -> str:
    if not parameter.literal:
        return ""
    if isinstance(parameter.default, str):
        return parameter.default
    if parameter.default is None:
        return "none"
    return encode(parameter.default).decode()


def _field(parameter: Parameter) -> ipywidgets.Widget:
    tooltip = f"{parameter.name}: {parameter.type}"
    layout = {"width": "auto"}
    kind = _kind(parameter)
    if kind == "bool":
        return ipywidgets.Checkbox(
            value=parameter.default, indent=False, tooltip=tooltip, layout=layout
        )
    if kind == "int":
        return ipywidgets.IntText(value=parameter.default, tooltip=tooltip, layout=layout)
    hint = "" if parameter.literal else "as in the notebook"
    return ipywidgets.Text(value=_text(parameter), placeholder=hint, tooltip=tooltip, layout=layout)
