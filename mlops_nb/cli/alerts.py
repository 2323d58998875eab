"""``mlops-nb monitor alerts | ack | snooze | deliver``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mlops_nb.model import Alert
    from mlops_nb.monitoring.notify import Delivery

__all__ = ["ack", "alerts", "deliver", "show_alerts", "show_delivery", "snooze"]


def show_alerts(console: Console, alerts: Sequence[Alert]) -> None:
    """Print alerts as a table."""
    rows = output.table("alert", "severity", "state", "since", "what")
    for alert in alerts:
        until = f" until {alert.snoozed_until}" if alert.state.value == "snoozed" else ""
        rows.add_row(
            Text(alert.id),
            output.status_text(alert.severity.value),
            output.status_text(alert.state.value).append(until),
            alert.since,
            Text(alert.text),
        )
    console.print(rows)


def show_delivery(console: Console, delivery: Delivery) -> None:
    """Print how a round of deliveries went."""
    if delivery.sent:
        console.print(Text(f"✓ {_messages(delivery.sent)} sent", style="green"))
    for error in delivery.errors:
        console.print(Text(f"✗ not delivered: {error}", style="red"))
    if delivery.given_up:
        console.print(Text(f"✗ {_messages(delivery.given_up)} given up", style="red"))
    if delivery.waiting:
        word = "waits" if delivery.waiting == 1 else "wait"
        console.print(
            Text(
                f"  {_messages(delivery.waiting)} {word}; mlops-nb monitor deliver tries again",
                style="dim",
            )
        )


def _messages(count: int) -> str:
    return f"{count} message" if count == 1 else f"{count} messages"


@click.command()
@click.argument("model", default="")
@click.option("--closed", is_flag=True, help="Show those that are closed, too.")
@output.json_option
@click.pass_obj
def alerts(project: str | None, model: str, closed: bool, as_json: bool) -> None:
    """List alerts, the most severe first.

    \b
    Examples:
      mlops-nb monitor alerts --closed
    """
    from mlops_nb.api import monitor as api

    found = api.alerts(project, model, active=not closed)
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    if found:
        show_alerts(console, found)
    else:
        console.print("[green]✓[/green] no alerts")


_ALERT = click.argument("alert")
_REASON = click.option("--reason", default="", help="Why.")
_ACTOR = click.option("--actor", default="", help="Who; you by default.")


@click.command()
@_ALERT
@_REASON
@_ACTOR
@output.json_option
@click.pass_obj
def ack(project: str | None, alert: str, reason: str, actor: str, as_json: bool) -> None:
    """Say that you look after an alert: it stays open and tells nothing more.

    \b
    Examples:
      mlops-nb monitor ack "flights/temp/drift@2013-07" --reason "heat wave"
    """
    from mlops_nb.api import monitor as api

    _say(api.acknowledge(project, alert, reason=reason, actor=actor), as_json)


@click.command()
@_ALERT
@click.option("--until", required=True, metavar="WINDOW", help="When it speaks again.")
@_REASON
@_ACTOR
@output.json_option
@click.pass_obj
def snooze(
    project: str | None, alert: str, until: str, reason: str, actor: str, as_json: bool
) -> None:
    """Silence an alert until a window.

    \b
    Examples:
      mlops-nb monitor snooze "flights/temp/drift@2013-07" --until 2013-09
    """
    from mlops_nb.api import monitor as api

    _say(api.snooze(project, alert, until=until, reason=reason, actor=actor), as_json)


def _say(alert: Alert, as_json: bool) -> None:
    if as_json:
        output.print_json(alert)
    else:
        show_alerts(output.console(), [alert])


@click.command()
@output.json_option
@click.pass_obj
def deliver(project: str | None, as_json: bool) -> int:
    """Send the messages that wait; exits with 7 where one could not be sent. For a timer.

    \b
    Examples:
      mlops-nb monitor deliver
    """
    from mlops_nb.api import monitor as api

    done = api.deliver(project)
    if as_json:
        output.print_json(done)
    else:
        console = output.console()
        show_delivery(console, done)
        if not done.sent and not done.errors:
            console.print("nothing is due" if done.waiting else "nothing to send")
    return ExitCode.MONITORING if done.errors else ExitCode.OK
