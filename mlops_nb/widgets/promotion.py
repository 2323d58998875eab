"""Judges a version by its gates, and promotes it or rolls back, with the ledger beside it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import ipywidgets

from mlops_nb.api import models as api
from mlops_nb.model import EntryKind, LedgerEntry, Record, encode
from mlops_nb.widgets.base import Panel
from mlops_nb.widgets.markup import render
from mlops_nb.widgets.surface import Surface
from mlops_nb.widgets.words import mark, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

    from mlops_nb.model import GateState, ModelVersion, Promotion

__all__ = ["PromotionPanel"]

_ROWS = 40
"""Rows of the ledger that the timeline shows."""
_ALIASES = ("champion", "challenger")


class _Seen(Record, frozen=True, kw_only=True):
    """What the registry held when it was last read."""

    version: ModelVersion
    versions: tuple[ModelVersion, ...]
    gates: tuple[GateState, ...]
    history: tuple[LedgerEntry, ...]
    roles: tuple[str, ...]

    def holder(self, alias: str) -> int:
        """The version that holds an alias; 0 for none."""
        return next((v.version for v in self.versions if alias in v.aliases), 0)


class PromotionPanel(Panel):
    """Gates one by one with their evidence; approve, reject, promote, roll back; the history.

    What would be overwritten is what was seen: where somebody else has moved the alias meanwhile,
    the promotion is refused and says who it was.

    Parameters
    ----------
    version
        The version to judge: a number, an alias, ``latest``, or any of these after ``model@``.
    model
        Which model; not needed where the project has one only.
    project
        A folder or a specification; by default the project that the current folder lies in.
    actor
        Who acts; the user by default.

    Examples
    --------
    >>> from mlops_nb.widgets import PromotionPanel
    >>> PromotionPanel("latest")  # doctest: +SKIP
    """

    def __init__(
        self,
        version: int | str = "latest",
        *,
        model: str = "",
        project: str | None = None,
        actor: str = "",
    ) -> None:
        self.model, self.project, self.actor = model, project, actor
        self._wanted: int | str = version
        self._seen: _Seen | None = None
        self._pending: Callable[[], None] | None = None
        self._following = False
        self._make_controls()
        self._facts, self._timeline = Surface(), Surface()
        self._asked = Surface(live="assertive")
        super().__init__(
            f"promotion of {version}",
            self._row(self._version, self._alias, self._check, self._refresh),
            self._facts,
            self._row(self._comment, self._role, self._approve, self._reject),
            self._row(self._promote, self._force, self._rollback),
            self._asked,
            self._confirmation,
            below=(self._timeline,),
        )
        self._draw()
        self.refresh()

    def _make_controls(self) -> None:
        self._version = ipywidgets.Dropdown(description="version", layout={"width": "240px"})
        self._alias = ipywidgets.Dropdown(
            description="alias", options=_ALIASES, layout={"width": "180px"}
        )
        self._role = ipywidgets.Dropdown(
            description="as", options=[("nobody special", "")], layout={"width": "190px"}
        )
        for choice in (self._version, self._alias, self._role):
            choice.style.description_width = "auto"
        self._comment = ipywidgets.Text(
            placeholder="comment or reason; kept in the ledger", layout={"width": "340px"}
        )
        self._force = ipywidgets.Checkbox(
            description="force, against the gates", indent=False, layout={"width": "auto"}
        )
        self._check = _button("Ask the gates", "evaluate every gate and keep the answers")
        self._refresh = _button("Refresh", "read the registry again")
        self._approve = _button("Approve", "record that you approve of this version")
        self._reject = _button("Reject", "record that you reject it; needs a comment")
        self._promote = _button("Promote …", "give the alias to this version", "primary")
        self._rollback = _button("Roll back …", "give the alias back to the last approved version")
        self._yes = _button("Confirm", "do it", "primary")
        self._no = _button("Cancel", "leave everything as it is")
        self._confirmation = self._row(self._yes, self._no)
        self._confirmation.layout.display = "none"
        self._version.observe(self._chosen, "value")
        self._alias.observe(lambda _: self._chosen(None), "value")
        for button, call in (
            (self._check, self.check), (self._refresh, self.refresh),
            (self._approve, self.approve), (self._reject, self.reject),
            (self._promote, self.promote), (self._rollback, self.rollback),
            (self._yes, self.confirm), (self._no, self.cancel),
        ):  # fmt: skip
            button.on_click(lambda _, call=call: call())

    @staticmethod
    def _row(*widgets: ipywidgets.Widget) -> ipywidgets.HBox:
        row = ipywidgets.HBox(widgets)
        row.add_class("mnb-controls")
        return row

    @property
    def version(self) -> ModelVersion | None:
        """The version that is judged, as it was last seen."""
        return self._seen.version if self._seen else None

    @property
    def gates(self) -> tuple[GateState, ...]:
        """How its gates count."""
        return self._seen.gates if self._seen else ()

    @property
    def history(self) -> tuple[LedgerEntry, ...]:
        """The ledger's rows of its model, oldest first."""
        return self._seen.history if self._seen else ()

    @property
    def asked(self) -> str:
        """What waits to be confirmed, as text."""
        return self._question

    _question = ""

    def refresh(self) -> None:
        """Read the registry again, in the background."""
        self.start("reading the registry", self._read, self._show)

    def check(self) -> None:
        """Ask the gates and keep their answers, in the background."""
        name, alias = self._name(), self._alias.value

        def ask() -> _Seen:
            api.check(self.project, name, alias=alias, actor=self.actor)
            return self._read()

        self.start("asking the gates", ask, self._show)

    def approve(self) -> None:
        """Record that the user approves, in the role that is chosen."""
        name, role, comment = self._name(), self._role.value, self._comment.value
        self._act(
            "approving",
            lambda: api.approve(self.project, name, role=role, comment=comment, actor=self.actor),
            f"{name} is approved",
        )

    def reject(self) -> None:
        """Record that the user rejects; the comment says why."""
        name, comment = self._name(), self._comment.value
        self._act(
            "rejecting",
            lambda: api.reject(self.project, name, comment=comment, actor=self.actor),
            f"{name} is rejected",
        )

    def promote(self) -> None:
        """Ask for confirmation, then give the alias to the version."""
        seen = self._seen
        if seen is None:
            return
        name, alias, reason, force = (
            self._name(), self._alias.value, self._comment.value, self._force.value
        )  # fmt: skip
        holder = seen.holder(alias)
        failing = [state.gate for state in seen.gates if not state.ok]
        now = f"v{holder} holds it now" if holder else "nobody holds it now"
        question = f"Give {alias} to {seen.version.model} v{seen.version.version}? {now}."
        if failing and force:
            question += f" This goes against {', '.join(failing)} and shows for ever."
        elif failing:
            question += f" It will be refused: {', '.join(failing)} did not pass."

        def act() -> None:
            self._act(
                "promoting",
                lambda: api.promote(
                    self.project,
                    name,
                    alias=alias,
                    expected=holder,
                    reason=reason,
                    force=force,
                    actor=self.actor,
                ),
                f"{name} is {alias} now",
            )

        self._ask(question, act)

    def rollback(self) -> None:
        """Ask for confirmation, then give the alias back to the last approved version."""
        seen = self._seen
        if seen is None:
            return
        alias, reason, holder = (
            self._alias.value,
            self._comment.value,
            seen.holder(self._alias.value),
        )
        model = seen.version.model

        def act() -> None:
            self._act(
                "rolling back",
                lambda: api.rollback(
                    self.project,
                    model,
                    alias=alias,
                    expected=holder,
                    reason=reason,
                    actor=self.actor,
                ),
                f"{alias} is rolled back",
            )

        now = f"v{holder}" if holder else "nobody"
        self._ask(
            f"Take {alias} of {model} from {now} and give it back to the last approved version?",
            act,
        )

    def confirm(self) -> None:
        """Do what was asked about."""
        pending = self._pending
        self.cancel()
        if pending is not None:
            pending()

    def cancel(self) -> None:
        """Forget what was asked about."""
        self._ask("", None)

    def _ask(self, question: str, act: Callable[[], None] | None) -> None:
        self._question, self._pending = question, act
        self._asked.html = str(render("question.html.j2", question=question))
        self._confirmation.layout.display = "" if act else "none"
        if act is not None:
            self._yes.focus()

    def _act(self, label: str, job: Callable[[], LedgerEntry | Promotion], done: str) -> None:
        def work() -> tuple[LedgerEntry | Promotion, _Seen]:
            result = job()
            return result, self._read()

        def show(results: tuple[LedgerEntry | Promotion, _Seen]) -> None:
            result, seen = results
            self._show(seen)
            self._comment.value, self._force.value = "", False
            later = getattr(result, "mirror_error", "")
            moved = getattr(result, "version", 0)
            text = f"{done}: v{moved}" if label == "rolling back" else done
            if later:
                self.say(f"{text}; MLflow follows with the next command: {later}", "caution")
            else:
                self.say(text)

        self.start(label, work, show)

    def _name(self) -> str:
        if self._seen is None:
            return f"{self.model}@{self._wanted}" if self.model else str(self._wanted)
        return f"{self._seen.version.model}@{self._seen.version.version}"

    def _read(self) -> _Seen:
        alias = self._alias.value
        details = api.show(self.project, self._wanted, model=self.model)
        version = details.version
        name = f"{version.model}@{version.version}"
        return _Seen(
            version=version,
            versions=api.list_versions(self.project, version.model),
            gates=api.gates(self.project, name, alias=alias),
            history=api.history(self.project, version.model),
            roles=tuple(api.roles(self.project)),
        )

    def _show(self, seen: _Seen) -> None:
        self._seen = seen
        self.model = seen.version.model
        self.name = f"promotion of {self.model} v{seen.version.version}"
        # From here on this version is meant, whatever "latest" becomes.
        self._wanted = seen.version.version
        self._following = True
        self._version.options = [(_label(known), known.version) for known in seen.versions]
        self._version.value = seen.version.version
        held = {alias for known in seen.versions for alias in known.aliases}
        alias = self._alias.value
        self._alias.options = [*_ALIASES, *sorted(held - set(_ALIASES))]
        self._alias.value = alias
        role = self._role.value
        self._role.options = [("nobody special", ""), *((name, name) for name in seen.roles)]
        self._role.value = role if role in seen.roles else (seen.roles[0] if seen.roles else "")
        self._role.layout.display = "" if seen.roles else "none"
        self._following = False
        self._draw()

    def _chosen(self, _: object) -> None:
        if self._following or self._version.value is None:
            return
        self._wanted = self._version.value
        self.cancel()
        self.refresh()

    def set_enabled(self, enabled: bool) -> None:
        """Forbid to act while something is being done."""
        for control in (
            self._version, self._alias, self._check, self._refresh, self._approve, self._reject,
            self._promote, self._rollback, self._yes,
        ):  # fmt: skip
            control.disabled = not enabled

    def _draw(self) -> None:
        self._facts.html = str(self._gates())
        self._timeline.html = str(self._history())

    def _gates(self) -> Markup:
        return render("gates.html.j2", seen=self._seen, mark=mark, evidence=_evidence)

    def _history(self) -> Markup:
        rows = _grouped(self.history[::-1])
        return render(
            "timeline.html.j2", rows=rows[:_ROWS], more=max(0, len(rows) - _ROWS), mark=mark,
            moment=moment, moves=_MOVES,
        )  # fmt: skip

    def body(self) -> Markup:
        """Return gates and history as HTML, without controls."""
        return self._gates() + self._history()


def _grouped(rows: Sequence[LedgerEntry]) -> list[tuple[LedgerEntry, ...]]:
    """Put the answers of one asking of the gates together; everything else stands alone."""

    def asking(row: LedgerEntry) -> object:
        return (row.version, row.actor) if row.kind is EntryKind.GATE else row.seq

    return [tuple(group) for _, group in groupby(rows, key=asking)]


_MOVES = (EntryKind.PROMOTED, EntryKind.ROLLED_BACK, EntryKind.UNALIASED)


def _button(text: str, tooltip: str, style: str = "") -> ipywidgets.Button:
    return ipywidgets.Button(description=text, tooltip=tooltip, button_style=style)


def _label(version: ModelVersion) -> str:
    aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
    return f"v{version.version}{aliases}"


def _evidence(state: GateState) -> str:
    """Return a gate's evidence as indented JSON; nothing where it has none."""
    if state.result is None or not state.result.evidence:
        return ""
    return encode(state.result.evidence, indent=2).decode()
