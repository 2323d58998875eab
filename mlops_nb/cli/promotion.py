"""``mlops-nb models check | approve | reject | promote | rollback | gc | export | import``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.errors import ExitCode, RegistryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mlops_nb.model import GateResult, GateState, Promotion

__all__ = [
    "approve",
    "check",
    "export",
    "gc",
    "import_",
    "model_option",
    "promote",
    "reject",
    "rollback",
    "show_gates",
]

model_option = click.option(
    "--model", "-m", default="", help="The model's name; not needed where there is one only."
)
_actor_option = click.option("--actor", default="", help="Who acts; you by default.")
_alias_option = click.option("--alias", default="champion", show_default=True)
_expected_option = click.option(
    "--expected",
    type=click.IntRange(min=0),
    default=None,
    help="Refuse unless this version holds the alias now; 0 for nobody.",
)


def show_gates(console: Console, states: Sequence[GateState | GateResult]) -> None:
    """Print gates one by one, each with its reason."""
    for state in states:
        ok = state.passed if hasattr(state, "passed") else state.ok
        text = state.reason if hasattr(state, "reason") else state.text
        mark = ("✓", "green") if ok else ("✗", "bold red")
        console.print(Text.assemble(mark, f" {state.gate}", (f" ({state.kind})  ", "dim"), text))


@click.command()
@click.argument("version", default="latest")
@model_option
@click.option("--gate", "only", multiple=True, metavar="NAME", help="Ask this gate only.")
@_alias_option
@_actor_option
@output.json_option
@click.pass_obj
def check(
    project: str | None,
    version: str,
    model: str,
    only: tuple[str, ...],
    alias: str,
    actor: str,
    as_json: bool,
) -> int:
    """Ask the gates about a version and keep their answers; exits with 6 where one fails.

    The gates are declared in [tool.mlops-nb.gates] of pyproject.toml.

    \b
    Examples:
      mlops-nb models check
      mlops-nb models check flights@3 --gate not-worse
    """
    from mlops_nb.api import models as api

    found = api.check(project, version, model=model, only=only, alias=alias, actor=actor)
    passed = all(result.passed for result in found)
    if as_json:
        output.print_json({"passed": passed, "gates": found})
    else:
        console = output.console()
        show_gates(console, found)
        if not found:
            console.print("no gate guards this model; declare some in [tool.mlops-nb.gates.checks]")
    return ExitCode.OK if passed else ExitCode.REGISTRY


@click.command()
@click.argument("version")
@model_option
@click.option("--role", default="", help="As what; one of [tool.mlops-nb.gates.roles].")
@click.option("--comment", default="", help="What you have to say.")
@_actor_option
@output.json_option
@click.pass_obj
def approve(
    project: str | None,
    version: str,
    model: str,
    role: str,
    comment: str,
    actor: str,
    as_json: bool,
) -> None:
    """Record that you approve of a version.

    \b
    Examples:
      mlops-nb models approve 3 --role reviewer --comment "slices look right"
    """
    from mlops_nb.api import models as api

    entry = api.approve(project, version, model=model, role=role, comment=comment, actor=actor)
    if as_json:
        output.print_json(entry)
        return
    as_what = f" as {entry.payload['role']}" if entry.payload.get("role") else ""
    output.console().print(
        Text.assemble(
            ("✓ ", "green"), f"{entry.actor} approved {entry.model} v{entry.version}{as_what}"
        )
    )


@click.command()
@click.argument("version")
@model_option
@click.option("--comment", required=True, help="What is wrong with it.")
@_actor_option
@output.json_option
@click.pass_obj
def reject(
    project: str | None, version: str, model: str, comment: str, actor: str, as_json: bool
) -> None:
    """Record that you reject a version; earlier approvals no longer count.

    \b
    Examples:
      mlops-nb models reject 4 --comment "wrong for small airports"
    """
    from mlops_nb.api import models as api

    entry = api.reject(project, version, model=model, comment=comment, actor=actor)
    if as_json:
        output.print_json(entry)
        return
    output.console().print(
        Text.assemble(
            ("✗ ", "red"), f"{entry.actor} rejected {entry.model} v{entry.version}: {entry.reason}"
        )
    )


@click.command()
@click.argument("version")
@model_option
@_alias_option
@click.option("--check", "ask", is_flag=True, help="Ask the gates first.")
@click.option("--reason", default="", help="Why; kept in the ledger.")
@click.option("--force", is_flag=True, help="Against gates or a rejection; shows for ever.")
@_expected_option
@_actor_option
@output.json_option
@click.pass_obj
def promote(
    project: str | None,
    version: str,
    model: str,
    alias: str,
    ask: bool,
    reason: str,
    force: bool,
    expected: int | None,
    actor: str,
    as_json: bool,
) -> None:
    """Give an alias to a version whose gates passed; exits with 6 and the reason where refused.

    \b
    Examples:
      mlops-nb models promote latest --check --reason "trained on March too"
      mlops-nb models promote 5 --alias challenger
      mlops-nb models promote 5 --force --reason "hotfix, gate not-worse is wrong here"
    """
    from mlops_nb.api import models as api

    if ask:
        api.check(project, version, model=model, alias=alias, actor=actor)
    states = api.gates(project, version, model=model, alias=alias)
    console = output.console(stderr=as_json)
    if not as_json:
        show_gates(console, states)
    try:
        done = api.promote(
            project,
            version,
            model=model,
            alias=alias,
            expected=expected,
            reason=reason,
            force=force,
            actor=actor,
        )
    except RegistryError as error:
        if as_json:
            output.print_json({"promotion": None, "gates": states, "error": str(error)})
        raise
    if as_json:
        output.print_json({"promotion": done, "gates": states, "error": ""})
        return
    _show_promotion(console, done)


def _show_promotion(console: Console, done: Promotion) -> None:
    was = f", before it v{done.previous}" if done.previous else ""
    line = Text.assemble(("✓ ", "green"), f"{done.model} v{done.version} is {done.alias} now{was}")
    if done.entry.forced:
        line = Text.assemble(
            (" forced ", "bold white on red"),
            (f" {done.model} v{done.version} is {done.alias} now{was}: ", "red"),
            (done.entry.reason, "red"),
        )
        for against in done.entry.payload.get("overridden", []):
            line.append(f"\n  against {against}", style="red")
    console.print(line)
    if not done.mirrored:
        console.print(
            Text(f"  MLflow follows with the next command: {done.mirror_error}", style="yellow")
        )


@click.command()
@click.argument("model", default="")
@_alias_option
@click.option("--reason", default="", help="Why; kept in the ledger.")
@_expected_option
@_actor_option
@output.json_option
@click.pass_obj
def rollback(
    project: str | None,
    model: str,
    alias: str,
    reason: str,
    expected: int | None,
    actor: str,
    as_json: bool,
) -> None:
    """Give an alias back to the last approved version that held it, in one step.

    \b
    Examples:
      mlops-nb models rollback --reason "scores look wrong since noon"
    """
    from mlops_nb.api import models as api

    done = api.rollback(project, model, alias=alias, expected=expected, reason=reason, actor=actor)
    if as_json:
        output.print_json(done)
        return
    _show_promotion(output.console(), done)


@click.command()
@click.argument("model", default="")
@click.option(
    "--keep", type=click.IntRange(min=0), default=None, help="Latest versions that stay anyway."
)
@click.option("--yes", is_flag=True, help="Do it; otherwise only say what would go.")
@_actor_option
@output.json_option
@click.pass_obj
def gc(
    project: str | None, model: str, keep: int | None, yes: bool, actor: str, as_json: bool
) -> None:
    """Remove versions that nothing needs: none that is aliased, approved, monitored or referred to.

    \b
    Examples:
      mlops-nb models gc                  what would go
      mlops-nb models gc --keep 3 --yes
    """
    from mlops_nb.api import models as api

    done = api.clean(project, model, keep=keep, dry_run=not yes, actor=actor)
    if as_json:
        output.print_json(done)
        return
    console = output.console()
    for version in done.removed:
        console.print(Text(f"- {version.model} v{version.version}", style="red"))
    for name, why in done.kept.items():
        console.print(Text(f"  {name} {why}", style="dim"))
    word = "would free" if done.dry_run else "freed"
    console.print(f"{len(done.removed)} versions, {word} {done.bytes / 1e6:,.1f} MB")
    if done.dry_run and done.removed:
        console.print(Text("  --yes removes them", style="dim"))


@click.command()
@click.argument("version")
@model_option
@click.option(
    "--output", "-o", "path", default=".", metavar="PATH", help="The file, or a folder for it."
)
@output.json_option
@click.pass_obj
def export(project: str | None, version: str, model: str, path: str, as_json: bool) -> None:
    """Write a version with its artifact and evidence as one zip file.

    \b
    Examples:
      mlops-nb models export champion -o flights.zip
    """
    from mlops_nb.api import models as api

    written = api.export_version(project, version, path, model=model)
    if as_json:
        output.print_json({"file": str(written)})
        return
    click.echo(written)


@click.command("import")
@click.argument("file", type=click.Path())
@click.option("--model", "-m", default="", help="Its name here; the same as there by default.")
@click.option("--allow-pickle", is_flag=True, help="Take it also where it is a pickle.")
@_actor_option
@output.json_option
@click.pass_obj
def import_(
    project: str | None, file: str, model: str, allow_pickle: bool, actor: str, as_json: bool
) -> None:
    """Register an exported version here; its gates are asked anew before it is promoted.

    \b
    Examples:
      mlops-nb models import flights.zip
    """
    from mlops_nb.api import models as api

    made = api.import_version(project, file, model=model, allow_pickle=allow_pickle, actor=actor)
    if as_json:
        output.print_json(made)
        return
    output.console().print(
        Text.assemble(("✓ ", "green"), f"{made.model} v{made.version}, from {made.origin}")
    )
