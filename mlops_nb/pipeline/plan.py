"""Plans what a run will do, and why; a promise that the run keeps."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mlops_nb.errors import PipelineError, nearest
from mlops_nb.model import Action, Fingerprint, Plan, PlanItem, Reason
from mlops_nb.pipeline.fingerprint import (
    Fingerprinter,
    complete_fingerprint,
    output_digest,
    product_digests,
)
from mlops_nb.pipeline.reasons import changes
from mlops_nb.pipeline.state import StateStore, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from mlops_nb.config import Project
    from mlops_nb.model import Pipeline, Task

__all__ = ["make_plan", "select"]


def make_plan(
    project: Project,
    pipeline: Pipeline,
    *,
    targets: Iterable[str] = (),
    start_from: Iterable[str] = (),
    leave: Collection[str] = (),
    force: bool = False,
    cached: Callable[[str], bool] | None = None,
    products_of: Callable[[str], Mapping[str, str] | None] | None = None,
) -> Plan:
    """Plan a run.

    A task is skipped when its last good run had the same fingerprint and its products stand as
    that run left them. It is restored when the cache holds the result for its fingerprint and
    nothing above it runs. It runs otherwise, and everything below it runs as well.

    Parameters
    ----------
    project
        The project.
    pipeline
        Its pipeline, parameters of the run set.
    targets
        Tasks to bring up to date, with what they need; all by default. Names, patterns such as
        ``fit-*``, or a grid's name.
    start_from
        Tasks that run in any case, with everything below them; what stands above is left as it
        is unless its products are missing.
    leave
        Tasks that are not chosen unless a chosen one needs products of theirs that are missing.
    force
        Run every chosen task.
    cached
        Tells whether the cache holds the result for a fingerprint's digest.
    products_of
        Gives the product digests, by `Product.path`, of what the cache holds for a digest; with
        it, tasks below a restored one may be skipped or restored too.

    Returns
    -------
    Plan
        One item for each task of the pipeline; those not chosen are skipped as ``unselected``.

    Raises
    ------
    PipelineError
        A target is unknown; the nearest name is offered.
    NotebookError
        A notebook is missing or cannot be read.
    """
    planner = _Planner(project, pipeline, cached, products_of)
    wanted = select(pipeline, targets)
    chosen = wanted | pipeline.ancestors(wanted) if wanted else set(pipeline.names())
    started = select(pipeline, start_from)
    forced = set(chosen) if force else set()
    if started:
        below = (started | pipeline.descendants(started)) & chosen
        chosen = below | planner.missing_above(below)
        forced = below if force else started & below
    if leave:
        rest = chosen.difference(leave)
        chosen = rest | planner.missing_above(rest)
        forced &= chosen
    plan = Plan(items=tuple(planner.item(task, chosen, forced) for task in pipeline.tasks))
    planner.look.digests.save()
    return plan


def select(pipeline: Pipeline, names: Iterable[str]) -> set[str]:
    """Return the tasks that names, patterns or grid names stand for.

    Raises
    ------
    PipelineError
        A name stands for none; the nearest one is offered.
    """
    found: set[str] = set()
    for name in names:
        # A task may be called like a pattern: then it is the one that is meant.
        matches = {task.name for task in pipeline.tasks if name in (task.name, task.group)} or {
            task.name for task in pipeline.tasks if fnmatchcase(task.name, name)
        }
        if not matches:
            known = {*pipeline.names(), *(task.group for task in pipeline.tasks if task.group)}
            raise PipelineError(
                f'no task is called "{name}"', where=pipeline.spec, fix=nearest(name, known)
            )
        found |= matches
    return found


class _Planner:
    """Decides task by task, in order, so that what stands above is decided already."""

    def __init__(
        self,
        project: Project,
        pipeline: Pipeline,
        cached: Callable[[str], bool] | None,
        products_of: Callable[[str], Mapping[str, str] | None] | None,
    ) -> None:
        self.look = Fingerprinter(project)
        self._project = project
        self._tasks = {task.name: task for task in pipeline.tasks}
        self._states = StateStore(project).all()
        self._cached = cached or (lambda digest: False)
        self._products_of = products_of or (lambda digest: None)
        self._actions: dict[str, Action] = {}
        self._outputs: dict[str, str | None] = {}
        """What the tasks below see; ``None`` where it is not known before the run."""

    def missing_above(self, names: set[str]) -> set[str]:
        """Return the tasks above that must be made first, as their products are not there."""
        found: set[str] = set()
        pending = [up for name in names for up in self._tasks[name].upstream]
        while pending:
            name = pending.pop()
            if name in names or name in found:
                continue
            task = self._tasks[name]
            products = product_digests(self._project, task, digests=self.look.digests)
            if not all(products.values()):
                found.add(name)
                pending += task.upstream
        return found

    def item(self, task: Task, chosen: set[str], forced: set[str]) -> PlanItem:
        """Plan one task."""
        state = self._states.get(task.name)
        products = product_digests(self._project, task, digests=self.look.digests)
        if task.name not in chosen:
            return self._leave(task, state, products)
        return self._decide(task, state, products, task.name in forced)

    def _leave(self, task: Task, state: TaskState | None, products: Mapping[str, str]) -> PlanItem:
        self._actions[task.name] = Action.SKIP
        known = state.fingerprint.digest if state else ""
        self._outputs[task.name] = output_digest(task, known, products)
        reason = Reason(kind="unselected", text="not selected")
        return PlanItem(task=task.name, action=Action.SKIP, reasons=(reason,))

    def _decide(
        self,
        task: Task,
        state: TaskState | None,
        products: Mapping[str, str],
        is_forced: bool,
    ) -> PlanItem:
        running = [name for name in task.upstream if self._outputs[name] is None]
        own = self.look.own_parts(task)
        fingerprint: Fingerprint | None = None
        if not running:
            fingerprint = complete_fingerprint(
                own, {name: self._outputs[name] or "" for name in task.upstream}
            )
        reasons: list[Reason] = []
        if is_forced:
            reasons.append(Reason(kind="forced", text="forced"))
        if state is None:
            reasons.append(Reason(kind="new", text="it never ran"))
        else:
            now = own if fingerprint is None else fingerprint.parts
            before = state.fingerprint.parts
            if now != before:
                reasons += changes(task, before, now, with_upstream=fingerprint is not None)
            reasons += _product_reasons(state, products)
        reasons += [self._upstream_reason(name) for name in running]
        if not reasons and fingerprint is not None:
            return self._skip(task, fingerprint, products)
        # Whoever edits a product wants to see it made anew, not taken from a shelf.
        edited = any(reason.kind == "edited" for reason in reasons)
        again = is_forced or edited
        if fingerprint is not None and not again and self._cached(fingerprint.digest):
            return self._restore(task, state, fingerprint, reasons)
        self._actions[task.name] = Action.RUN
        self._outputs[task.name] = None
        return PlanItem(
            task=task.name, action=Action.RUN, reasons=tuple(reasons), fingerprint=fingerprint
        )

    def _skip(self, task: Task, fingerprint: Fingerprint, products: Mapping[str, str]) -> PlanItem:
        self._actions[task.name] = Action.SKIP
        self._outputs[task.name] = output_digest(task, fingerprint.digest, products)
        reason = Reason(kind="unchanged", text="up to date")
        return PlanItem(
            task=task.name, action=Action.SKIP, reasons=(reason,), fingerprint=fingerprint
        )

    def _restore(
        self,
        task: Task,
        state: TaskState | None,
        fingerprint: Fingerprint,
        reasons: list[Reason],
    ) -> PlanItem:
        self._actions[task.name] = Action.RESTORE
        made: Mapping[str, str] | None = self._products_of(fingerprint.digest)
        if made is None and state is not None and state.fingerprint.digest == fingerprint.digest:
            made = state.products
        self._outputs[task.name] = (
            None if made is None else output_digest(task, fingerprint.digest, made)
        )
        note = Reason(kind="cached", text="kept from an earlier run")
        return PlanItem(
            task=task.name,
            action=Action.RESTORE,
            reasons=(*reasons, note),
            fingerprint=fingerprint,
        )

    def _upstream_reason(self, name: str) -> Reason:
        does = "runs" if self._actions[name] is Action.RUN else "is restored"
        return Reason(kind="upstream", text=f"upstream {name} {does}", subject=name)


def _product_reasons(state: TaskState, products: Mapping[str, str]) -> list[Reason]:
    found: list[Reason] = []
    for path, digest in products.items():
        if not digest:
            kind, text = "product", f"product {path} is missing"
        elif path in state.products and state.products[path] != digest:
            kind, text = "edited", f"product {path} was edited"
        else:
            continue
        found.append(Reason(kind=kind, text=text, subject=path))
    return found
