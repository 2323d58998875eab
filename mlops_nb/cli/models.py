"""``mlops-nb models``: the group, and the commands that look."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.cli.promotion import (
    approve,
    check,
    export,
    gc,
    import_,
    model_option,
    promote,
    reject,
    rollback,
    show_gates,
)
from mlops_nb.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from mlops_nb.model import Comparison, LedgerEntry, Metric, ModelVersion, VersionDetails

__all__ = ["models"]

_FORCED = "bold white on red"


@click.group()
def models() -> None:
    """Judge, promote and roll back models.

    VERSION is a number, an alias such as champion, or latest; with several models in the project
    put the model's name before it (flights@3) or give --model.

    \b
    Examples:
      mlops-nb models list
      mlops-nb models check latest                 ask the gates
      mlops-nb models compare champion latest
      mlops-nb models promote latest --reason "better on every slice"
      mlops-nb models rollback --reason "scores look wrong"
      mlops-nb models history
    """


for command in (check, approve, reject, promote, rollback, gc, export, import_):
    models.add_command(command)


@models.command("list")
@click.argument("model", default="")
@click.option("--live", is_flag=True, help="Ask MLflow too: shows what was made behind our back.")
@output.json_option
@click.pass_obj
def list_(project: str | None, model: str, live: bool, as_json: bool) -> None:
    """List versions, the newest first; of MODEL, or of all models.

    \b
    Examples:
      mlops-nb models list
      mlops-nb models list flights --live
    """
    from mlops_nb.api import models as api

    found = api.list_versions(project, model, live=live)
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    if not found:
        console.print("no models yet; a notebook registers one with mlops_nb.register_model")
        return
    rows = output.table(
        "model", "version", "aliases", "status", "metrics", "gates", "made", "by",
        right=("version",),
    )  # fmt: skip
    for version in found:
        passed = sum(mark.passed for mark in version.gates.values())
        rows.add_row(
            version.model,
            str(version.version),
            Text(", ".join(version.aliases), style="bold"),
            _standing(version),
            _metrics(version.metrics),
            f"{passed}/{len(version.gates)}" if version.gates else "",
            output.since(version.created),
            version.actor,
        )
    console.print(rows)


def _standing(version: ModelVersion) -> Text:
    if version.outside:
        return Text("outside the ledger", style=_FORCED)
    text = output.status_text(version.status.value)
    return Text.assemble(text, " ", (" forced ", _FORCED)) if version.forced else text


def _metrics(metrics: dict[str, Metric], most: int = 3) -> str:
    shown = [f"{name} {metric.value:.4g}" for name, metric in list(metrics.items())[:most]]
    return ", ".join(shown) + (" …" if len(metrics) > most else "")


@models.command()
@click.argument("version", default="latest")
@model_option
@output.json_option
@click.pass_obj
def show(project: str | None, version: str, model: str, as_json: bool) -> None:
    """Show one version: figures, gates, where it comes from, and what was done with it.

    \b
    Examples:
      mlops-nb models show champion
      mlops-nb models show flights@3 --json
    """
    from mlops_nb.api import models as api

    details = api.show(project, version, model=model)
    states = api.gates(project, f"{details.version.model}@{details.version.version}")
    if as_json:
        output.print_json({"details": details, "gates": states})
        return
    console = output.console()
    _show_facts(console, details)
    if details.version.metrics:
        rows = output.table("metric", "value", "interval", "rows", right=("value", "rows"))
        for name, metric in details.version.metrics.items():
            rows.add_row(name, f"{metric.value:.4g}", _interval(metric), f"{metric.n:,}")
        console.print()
        console.print(rows)
    if states:
        console.print()
        show_gates(console, states)
    console.print()
    _show_rows(console, details.entries)


def _show_facts(console: Console, details: VersionDetails) -> None:
    version, info = details.version, details.info
    console.print(
        Text.assemble((f"{version.model} v{version.version}", "bold"), "  "), _standing(version)
    )
    facts = {
        "aliases": ", ".join(version.aliases),
        "summary": info.card.summary,
        "limits": info.card.limits,
        "estimator": f"{version.estimator} ({info.format}, {version.size / 1e6:.2f} MB)",
        "digest": version.digest,
        "run": version.run_id,
        "commit": version.git_commit[:12],
        "made": f"{_moment(version.created)}, by {version.actor}",
        "comment": version.comment,
        "origin": version.origin,
        "artifact": version.source,
    }
    for name, value in facts.items():
        if value:
            console.print(Text.assemble((f"  {name:<10}", "dim"), value))


def _interval(metric: Metric) -> str:
    if metric.low is None or metric.high is None:
        return ""
    return f"{metric.low:.4g} to {metric.high:.4g}"


def _moment(time: float) -> str:
    return f"{datetime.datetime.fromtimestamp(time).astimezone():%Y-%m-%d %H:%M:%S}"


@models.command()
@click.argument("left", default="champion")
@click.argument("right", default="latest")
@model_option
@output.json_option
@click.pass_obj
def compare(project: str | None, left: str, right: str, model: str, as_json: bool) -> None:
    """Put two versions side by side: RIGHT against LEFT, on the same rows where there are some.

    \b
    Examples:
      mlops-nb models compare
      mlops-nb models compare 3 5 --json
    """
    from mlops_nb.api import models as api

    found = api.compare(project, left, right, model=model)
    if as_json:
        output.print_json(found)
        return
    _show_comparison(output.console(), found)


def _show_comparison(console: Console, found: Comparison) -> None:
    left, right = f"v{found.left.version}", f"v{found.right.version}"
    rows = output.table(
        "metric", left, right, "better by", "interval", right=(left, right, "better by")
    )
    for pair in found.metrics:
        paired = pair.paired
        style = ""
        if paired is not None:
            style = "green" if paired.low > 0 else "red" if paired.high < 0 else ""
        rows.add_row(
            pair.name,
            f"{pair.left.value:.4g}" if pair.left else "",
            f"{pair.right.value:.4g}" if pair.right else "",
            Text(f"{paired.difference:+.4f}" if paired else "", style=style),
            f"{paired.low:+.4f} to {paired.high:+.4f}" if paired else "",
        )
    console.print(rows)
    note = found.note or f"differences on the same {found.paired_rows:,} rows, above zero is better"
    console.print(Text(note, style="dim"))
    worst = sorted(found.slices, key=lambda item: item.difference.difference)[:5]
    if worst:
        console.print()
        slices = output.table("weakest slices", "rows", left, right, right=("rows", left, right))
        for item in worst:
            slices.add_row(
                f"{item.column} = {item.value} ({item.metric})",
                f"{item.n:,}",
                f"{item.left:.4g}",
                f"{item.right:.4g}",
            )
        console.print(slices)
    changes = [
        (kind, change)
        for kind, group in (
            ("parameter", found.params),
            ("data", found.data),
            ("requirement", found.requirements),
            ("signature", found.signature),
        )
        for change in group
    ]
    if changes:
        console.print()
        differs = output.table("differs", "name", left, right)
        for kind, change in changes:
            differs.add_row(kind, change.name, Text(change.left[:40]), Text(change.right[:40]))
        console.print(differs)


@models.command()
@click.argument("model", default="")
@click.option("--limit", "-n", default=50, show_default=True, type=click.IntRange(min=1))
@output.json_option
@click.pass_obj
def history(project: str | None, model: str, limit: int, as_json: bool) -> None:
    """Show the ledger's latest rows: who did what to which version, and why.

    \b
    Examples:
      mlops-nb models history
      mlops-nb models history flights -n 10
    """
    from mlops_nb.api import models as api

    found = api.history(project, model)[-limit:]
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    if not found:
        console.print("nothing has happened yet")
        return
    _show_rows(console, found)


def _show_rows(console: Console, entries: tuple[LedgerEntry, ...]) -> None:
    rows = output.table("row", "when", "what", "version", "alias", "by", "why", right=("row",))
    for entry in entries:
        what = Text(entry.kind.value)
        if entry.forced:
            what.append(" ").append(" forced ", style=_FORCED)
        moved = f" (was v{entry.previous})" if entry.alias and entry.previous else ""
        gate = str(entry.payload.get("gate", ""))
        why = f"{gate}: {entry.reason}" if gate else entry.reason
        rows.add_row(
            str(entry.seq),
            _moment(entry.time),
            what,
            f"{entry.model} v{entry.version}" if entry.version else entry.model,
            entry.alias + moved,
            entry.actor,
            Text(why, style="red" if entry.forced else ""),
        )
    console.print(rows)


@models.command()
@click.option("--no-artifacts", is_flag=True, help="Do not read the files of every version.")
@click.option("--offline", is_flag=True, help="Do not ask MLflow.")
@click.option("--mend", is_flag=True, help="First make MLflow equal to the ledger.")
@click.option("--reason", default="", help="Why it is mended; kept in the ledger.")
@output.json_option
@click.pass_obj
def verify(
    project: str | None, no_artifacts: bool, offline: bool, mend: bool, reason: str, as_json: bool
) -> int:
    """Check the ledger's chain, MLflow's aliases and every artifact; exits with 6 on a problem.

    \b
    Examples:
      mlops-nb models verify
      mlops-nb models verify --mend --reason "someone moved an alias in the UI"
    """
    from mlops_nb.api import models as api

    mended = api.mend(project, reason=reason) if mend else ()
    found = api.verify(project, artifacts=not no_artifacts, live=not offline)
    code = ExitCode.OK if found.clean else ExitCode.REGISTRY
    if as_json:
        output.print_json({"clean": found.clean, "mended": mended, "report": found})
        return code
    console = output.console()
    for entry in mended:
        console.print(Text(f"mended {entry.model} {entry.alias}: {entry.reason}", style="yellow"))
    for problem in found.problems:
        console.print(Text(f"✗ {problem.kind} {problem.subject}: {problem.text}", style="red"))
        if problem.fix:
            console.print(Text.assemble(("  fix: ", "bold cyan"), problem.fix))
    counts = (
        f"{found.entries} rows, {found.versions} versions, {found.aliases} aliases, "
        f"{found.artifacts} artifacts"
    )
    if found.clean:
        console.print(Text.assemble(("✓ ", "green"), f"all is as the ledger says: {counts}"))
    else:
        console.print(Text(f"{len(found.problems)} problems in {counts}"))
    return code
