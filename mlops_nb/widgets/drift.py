"""What monitoring knows of a model: drift over time, columns, performance, and alerts to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from mlops_nb.api import monitor as api
from mlops_nb.api.monitored import Monitored, charts_of, look, picture_of
from mlops_nb.widgets.base import Panel
from mlops_nb.widgets.heat import HeatMap, arrange, report_of, worst_column
from mlops_nb.widgets.markup import render
from mlops_nb.widgets.surface import Surface
from mlops_nb.widgets.words import mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup

    from mlops_nb.model import Alert, ColumnDrift

__all__ = ["DriftView"]

_COLUMNS = 25
"""Columns that the map shows until more are asked for."""
_CHARTS = 4
"""Metrics that are drawn at once; the rest is folded away."""
_BASELINES = [("the version's own reference", "pinned"), ("the latest windows", "trailing")]


class DriftView(Panel):
    """Columns over windows; one column's reference against a window; performance; open alerts.

    Choosing a column and a window in the map shows what changed there. An alert is acknowledged or
    snoozed by its buttons, with the reason beside them.

    Parameters
    ----------
    model
        Which monitored model; the first one by default.
    project
        A folder or a specification; by default the project that the current folder lies in.
    actor
        Who answers alerts; the user by default.

    Examples
    --------
    >>> from mlops_nb.widgets import DriftView
    >>> DriftView("flights-late")  # doctest: +SKIP
    """

    def __init__(self, model: str = "", *, project: str | None = None, actor: str = "") -> None:
        self.model, self.project, self.actor = model, project, actor
        self._seen: Monitored | None = None
        self._column, self._window = "", ""
        self._most = _COLUMNS
        self._busy_now = False
        self._make_controls()
        self._map, self._detail = Surface(), Surface(live="polite")
        self._figures, self._alerts = Surface(), Surface()
        super().__init__(
            f"monitoring of {model}" if model else "monitoring",
            self._controls,
            self._map,
            self._detail,
            self._figures,
            self._alerts,
            self._answers,
        )
        for surface, action, call in (
            (self._map, "column", lambda name: self.select(column=name)),
            (self._map, "window", lambda label: self.select(window=label)),
            (self._map, "cell", self._pressed),
            (self._map, "more", self._show_more),
            (self._alerts, "acknowledge", self.acknowledge),
            (self._alerts, "snooze", self.snooze),
        ):
            surface.on(action, call)
        self._draw()
        self.refresh()

    def _make_controls(self) -> None:
        self._model = ipywidgets.Dropdown(description="model", layout={"width": "240px"})
        self._baseline = ipywidgets.Dropdown(
            description="against", options=_BASELINES, layout={"width": "270px"}
        )
        for choice in (self._model, self._baseline):
            choice.style.description_width = "auto"
        self._refresh = ipywidgets.Button(description="Refresh", tooltip="read the store again")
        self._controls = ipywidgets.HBox([self._model, self._baseline, self._refresh])
        self._reason = ipywidgets.Text(
            placeholder="reason; kept with the alert", layout={"width": "300px"}
        )
        self._until = ipywidgets.Text(placeholder="snooze until window", layout={"width": "200px"})
        self._answers = ipywidgets.HBox([self._reason, self._until])
        for row in (self._controls, self._answers):
            row.add_class("mnb-controls")
        self._model.layout.display = self._answers.layout.display = "none"
        self._model.observe(self._chosen, "value")
        self._baseline.observe(lambda _: self._draw(), "value")
        self._refresh.on_click(lambda _: self.refresh())

    @property
    def seen(self) -> Monitored | None:
        """What was last read; ``None`` before that."""
        return self._seen

    @property
    def column(self) -> str:
        """The column that is shown in detail."""
        return self._column

    @property
    def window(self) -> str:
        """The window that is shown in detail."""
        return self._window

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts whose cause persists."""
        return self._seen.active if self._seen else ()

    def refresh(self) -> None:
        """Read the store again, in the background."""
        self.start("reading what was monitored", self._load, self._show)

    def select(self, column: str = "", window: str = "") -> None:
        """Show a column, a window, or both in detail; what is not named stays."""
        self._column, self._window = column or self._column, window or self._window
        self._draw()
        self.update_picture()

    def acknowledge(self, alert: str, reason: str = "") -> None:
        """Say that you look after an alert; the reason beside the buttons by default."""
        why = reason or self._reason.value.strip()
        self._answer(
            "acknowledging",
            lambda: api.acknowledge(self.project, alert, reason=why, actor=self.actor),
        )

    def snooze(self, alert: str, until: str = "", reason: str = "") -> None:
        """Silence an alert until a window; the one beside the buttons by default."""
        label = until or self._until.value.strip()
        latest = self._seen.history[-1].window if self._seen and self._seen.history else ""
        if label <= latest:
            self.say(
                f"until which window? Write a label after {latest} beside the buttons", "caution"
            )
            return
        why = reason or self._reason.value.strip()
        self._answer(
            "snoozing",
            lambda: api.snooze(self.project, alert, until=label, reason=why, actor=self.actor),
        )

    def _answer(self, label: str, act: Callable[[], Alert]) -> None:
        def job() -> tuple[Alert, Monitored]:
            return act(), self._load()

        def then(done: tuple[Alert, Monitored]) -> None:
            alert, seen = done
            self._reason.value = self._until.value = ""
            self._show(seen)
            until = f" until {alert.snoozed_until}" if alert.snoozed_until else ""
            self.say(f"{alert.subject} {alert.aspect}: {alert.state.value}{until}")

        self.start(label, job, then)

    def _load(self) -> Monitored:
        return look(self.project, self.model)

    def _show(self, seen: Monitored) -> None:
        self._seen = seen
        if seen.model:
            self.name = f"monitoring of {seen.model}"
        self._model.layout.display = "" if len(seen.models) > 1 else "none"
        self._model.options = seen.models
        if seen.model:
            self.model = self._model.value = seen.model
        windows = [result.window for result in seen.history]
        if self._window not in windows:
            self._window = windows[-1] if windows else ""
        if self._column not in self._columns() and windows:
            self._column = worst_column(
                seen.history, window=self._window, baseline=self._baseline.value
            )
        self._draw()

    def _columns(self) -> set[str]:
        history = self._seen.history if self._seen else ()
        return {c.column for result in history for r in result.reports for c in r.columns}

    def _chosen(self, change: dict[str, str]) -> None:
        if self._seen is not None and change["new"] not in (None, self.model):
            self.model, self._column, self._window = change["new"], "", ""
            self.refresh()

    def _pressed(self, place: str) -> None:
        """A cell of the map: its row and column as ``3:12``."""
        row, _, window = place.partition(":")
        drawn = self._arranged()
        if row.isdecimal() and window.isdecimal():
            line, at = int(row), int(window)
            if line < len(drawn.rows) and at < len(drawn.windows):
                self.select(drawn.rows[line][0], drawn.windows[at])

    def _show_more(self, _: str) -> None:
        self._most += 4 * _COLUMNS
        self._draw()

    def set_enabled(self, enabled: bool) -> None:
        """Forbid reading and answering twice at once."""
        self._busy_now = not enabled
        self._refresh.disabled = not enabled
        self._alerts.html = str(self._alert_table(live=True))

    def _draw(self) -> None:
        self._map.html = str(self._heat_map(live=True))
        self._detail.html = str(self._column_detail())
        self._figures.html = str(self._performance())
        self._alerts.html = str(self._alert_table(live=True))
        self._answers.layout.display = "" if self.alerts else "none"

    def body(self) -> Markup:
        """Return everything as HTML, without controls."""
        return (
            self._heat_map(live=False)
            + self._column_detail()
            + self._performance()
            + self._alert_table(live=False)
        )

    def _arranged(self) -> HeatMap:
        history = self._seen.history if self._seen else ()
        return arrange(history, baseline=self._baseline.value, most=self._most)

    def _heat_map(self, *, live: bool) -> Markup:
        latest = self._seen.history[-1] if self._seen and self._seen.history else None
        return render(
            "drift_map.html.j2",
            live=live,
            loaded=self._seen is not None,
            seen=self._seen,
            latest=latest,
            state=latest.pinned.state.value if latest and latest.pinned else "insufficient data",
            map=self._arranged(),
            against=self._baseline.label,
            column=self._column,
            window=self._window,
            mark=mark,
        )

    def _shown(self) -> ColumnDrift | None:
        for result in self._seen.history if self._seen else ():
            report = report_of(result, self._baseline.value)
            if result.window == self._window and report is not None:
                return next((c for c in report.columns if c.column == self._column), None)
        return None

    def _column_detail(self) -> Markup:
        shown = self._shown()
        return render(
            "drift_column.html.j2",
            asked=bool(self._seen and self._seen.history),
            shown=shown,
            picture=None if shown is None else picture_of(shown),
            column=self._column,
            window=self._window,
            mark=mark,
        )

    def _performance(self) -> Markup:
        drawn = charts_of(self._seen) if self._seen and self._seen.performance else []
        return render(
            "drift_performance.html.j2",
            charts=drawn[:_CHARTS],
            more=drawn[_CHARTS:],
            skills=self._seen.weak if self._seen else (),
            recorded=bool(self._seen and self._seen.history),
        )

    def _alert_table(self, *, live: bool) -> Markup:
        return render(
            "drift_alerts.html.j2",
            live=live,
            busy=self._busy_now,
            recorded=bool(self._seen and self._seen.history),
            alerts=self.alerts,
            closed=sum(not a.state.is_active for a in self._seen.alerts) if self._seen else 0,
            advice=self._seen.advice if self._seen else (),
            mark=mark,
        )
