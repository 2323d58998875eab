"""A form that adds a schedule, says when it would run while it is filled in, and lists those there are."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import available_timezones

import ipywidgets

from mlops_nb.api import schedules as api
from mlops_nb.api.parameters import parse_parameters
from mlops_nb.errors import MlopsNbError, ScheduleError
from mlops_nb.model import Overlap, Schedule, Source
from mlops_nb.widgets.base import Panel
from mlops_nb.widgets.markup import render
from mlops_nb.widgets.surface import Surface
from mlops_nb.widgets.words import mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup

    from mlops_nb.model import ScheduleState

__all__ = ["ScheduleForm"]

_HELP = {
    "name": "letters, digits, hyphens",
    "when": "cron, “every 15 minutes”, “every weekday at 6”",
    "zone": "the clock that times are meant in",
    "tasks": "separated by commas; empty for the whole pipeline",
    "parameters": "NAME=VALUE a line; {{ scheduled_at | date }} becomes the occurrence’s date",
    "source": "what an edit meanwhile would change",
    "missed": "when nothing could start it in time",
    "overlap": "when the one before is still running",
    "retries": "after a failure",
}


class ScheduleForm(Panel):
    """Adds schedules and shows those there are, with their next times and how they went.

    Parameters
    ----------
    project
        A folder or a specification; by default the project that the current folder lies in.
    notebook
        A notebook whose task is to be scheduled.

    Examples
    --------
    >>> from mlops_nb.widgets import ScheduleForm
    >>> ScheduleForm(notebook="notebooks/report.ipynb")  # doctest: +SKIP
    """

    def __init__(self, *, project: str | None = None, notebook: str = "") -> None:
        self.project, self.notebook = project, notebook
        self._states: tuple[ScheduleState, ...] | None = None
        text: Callable[..., ipywidgets.Text] = ipywidgets.Text
        choice: Callable[..., ipywidgets.Dropdown] = ipywidgets.Dropdown
        wide = {"width": "auto"}
        self.fields: dict[str, ipywidgets.Widget] = {
            "name": text(placeholder="nightly", layout=wide),
            "when": text(value="every weekday at 6", layout=wide),
            "zone": ipywidgets.Combobox(
                value="UTC", options=sorted(available_timezones()), layout=wide
            ),
            "tasks": text(layout=wide),
            "parameters": ipywidgets.Textarea(rows=2, layout=wide),
            "source": choice(options=[one.value for one in Source], layout=wide),
            "missed": choice(options=["once", "skip", "all"], layout=wide),
            "overlap": choice(options=[one.value for one in Overlap], layout=wide),
            "retries": ipywidgets.BoundedIntText(value=0, min=0, max=100, layout=wide),
        }
        self._preview, self._list = Surface(live="polite"), Surface()
        self._add = ipywidgets.Button(description="Add", button_style="primary")
        self._refresh = ipywidgets.Button(description="Refresh")
        form = ipywidgets.GridBox(
            [cell for name in self.fields for cell in self._row(name)],
            layout={"grid_template_columns": "max-content minmax(180px, 320px) 1fr"},
        )
        form.add_class("mnb-form")
        controls = ipywidgets.HBox([self._add, self._refresh])
        controls.add_class("mnb-controls")
        super().__init__("schedules", form, self._preview, controls, self._list)
        self._add.on_click(lambda _: self.add())
        self._refresh.on_click(lambda _: self.refresh())
        for name in ("when", "zone"):
            self.fields[name].observe(lambda _: self._draw_preview(), names="value")
        for action, call in (("pause", api.pause), ("resume", api.resume), ("run", api.run_now)):
            self._list.on(action, self._doing(action, call))
        self._draw_preview()
        self._draw()
        self.start("reading the schedules", self._read, self._show)

    @property
    def schedules(self) -> tuple[ScheduleState, ...]:
        """The project's schedules as they were last read."""
        return self._states or ()

    def schedule(self) -> Schedule:
        """Return the schedule that the form describes.

        Raises
        ------
        ScheduleError
            A value has the wrong form.
        ParameterError
            A line is no parameter.
        """
        values = {name: field.value for name, field in self.fields.items()}
        tasks = [one.strip() for one in values["tasks"].split(",") if one.strip()]
        lines = [line for line in values["parameters"].splitlines() if line.strip()]
        draft = Schedule(name=values["name"].strip(), when=values["when"].strip())
        if not draft.name:
            raise ScheduleError("it has no name", fix='give it one, such as "nightly"')
        return api.with_changes(
            draft,
            {
                "timezone": values["zone"],
                "tasks": tasks,
                "parameters": parse_parameters(lines),
                "source": values["source"],
                "missed": values["missed"],
                "overlap": values["overlap"],
                "retries": values["retries"],
            },
        )

    def add(self) -> None:
        """Add the schedule that the form describes, in the background."""
        try:
            wanted = self.schedule()
        except MlopsNbError as error:
            self.fail(error, "the schedule was not added")
            return

        def work() -> tuple[ScheduleState, ...]:
            api.add(self.project, wanted)
            return self._read_all()

        def then(states: tuple[ScheduleState, ...]) -> None:
            self._show((states, ()))
            self.say(f"{wanted.name} was added")

        self.start(f"adding {wanted.name}", work, then)

    def refresh(self) -> None:
        """Read the schedules again, in the background."""
        self.start("reading the schedules", self._read, self._show)

    def _doing(self, action: str, call: Callable[..., object]) -> Callable[[str], None]:
        def do(name: str) -> None:
            def work() -> tuple[tuple[ScheduleState, ...], tuple[str, ...]]:
                call(self.project, name)
                return self._read_all(), ()

            self.start(f"{action} {name}", work, self._show)

        return do

    def _read(self) -> tuple[tuple[ScheduleState, ...], tuple[str, ...]]:
        wanted = [self.notebook] if self.notebook and not self.fields["tasks"].value else []
        return self._read_all(), api.tasks_of(self.project, wanted)

    def _read_all(self) -> tuple[ScheduleState, ...]:
        return api.list_schedules(self.project)

    def _show(self, read: tuple[tuple[ScheduleState, ...], tuple[str, ...]]) -> None:
        self._states, tasks = read
        if tasks:
            self.fields["tasks"].value = ", ".join(tasks)
        self._draw()

    def _row(self, name: str) -> tuple[ipywidgets.Widget, ...]:
        label = render("schedule_label.html.j2", name=name)
        note = render("schedule_help.html.j2", text=_HELP[name])
        return Surface(str(label)), self.fields[name], Surface(str(note))

    def set_enabled(self, enabled: bool) -> None:
        """Forbid a second change at the same time."""
        for control in (self._add, self._refresh, *self.fields.values()):
            control.disabled = not enabled

    def _draw_preview(self) -> None:
        try:
            words, times = api.describe(self.fields["when"].value, self.fields["zone"].value)
        except ScheduleError as error:
            self._preview.html = str(
                render("schedule_preview.html.j2", words="", times=(), error=error)
            )
            return
        self._preview.html = str(
            render("schedule_preview.html.j2", words=words, times=times, error=None)
        )

    def _draw(self) -> None:
        self._list.html = str(self._table(live=True))

    def _table(self, *, live: bool) -> Markup:
        return render("schedules.html.j2", states=self._states, live=live, mark=mark)

    def body(self) -> Markup:
        """Return the schedules as HTML."""
        return self._table(live=False)
