"""Sends what waits to be told, by the notifiers of `mlops_nb.monitoring.notifiers`.

Delivery is at least once. Messages wait in the outbox of ``monitor.db``, which survives restarts;
each has a key, sent along as ``Idempotency-Key`` (``Message-ID`` in e-mail), by which a receiver
can tell a repeat; the header has it percent-encoded, the payload's ``key`` as it is. A failed delivery
is tried again, after 30 s, 1 min, 2 min … up to 6 hours.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import ConfigError, MlopsNbError
from mlops_nb.model import Record
from mlops_nb.plugins import find

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.model import Message
    from mlops_nb.monitoring.settings import AlertSettings
    from mlops_nb.monitoring.store import Store
    from mlops_nb.protocols import Notifier

__all__ = ["Delivery", "deliver", "make_notifiers"]

_FIRST, _LONGEST = 30.0, 6 * 3600.0
_LEASE = 120.0
"""Seconds a message belongs to the process that took it, should that one die."""


class Delivery(Record, frozen=True, kw_only=True):
    """How one round of deliveries went."""

    sent: int = 0
    failed: int = 0
    """Will be tried again."""
    given_up: int = 0
    waiting: int = 0
    """Messages that are not due yet, those that just failed among them."""
    errors: tuple[str, ...] = ()


def make_notifiers(
    settings: AlertSettings, env: Mapping[str, str] | None = None
) -> dict[str, Notifier]:
    """Return the project's notifiers by name.

    Raises
    ------
    ConfigError
        Two have one name, or one lacks what its kind needs.
    PluginError
        A kind does not exist.
    """
    env = os.environ if env is None else env
    found: dict[str, Notifier] = {}
    for one in settings.notify:
        name = one.name or one.kind
        if name in found:
            raise ConfigError(
                f'two notifiers are called "{name}"',
                where="[[tool.mlops-nb.alerts.notify]]",
                fix='give each a "name"',
            )
        found[name] = find("notifier", one.kind)(one, env)
    return found


def deliver(
    store: Store,
    notifiers: Mapping[str, Notifier],
    *,
    max_attempts: int = 20,
    now: float | None = None,
) -> Delivery:
    """Send every message that is due; call it after recording a window and from time to time.

    A message is taken for two minutes before it is sent, so that two processes do not send it
    both; one that dies in between leaves it to be sent again.

    Parameters
    ----------
    store
        Where the messages wait.
    notifiers
        By name; messages of a notifier that is no longer configured wait on.
    max_attempts
        Tries after which a message is given up.
    now
        Seconds since the epoch; the clock by default.
    """
    sent = failed = given_up = 0
    errors: list[str] = []
    while True:
        moment = time.time() if now is None else now
        message = _take(store, notifiers, moment, max_attempts)
        if message is None:
            return Delivery(
                sent=sent,
                failed=failed,
                given_up=given_up,
                waiting=_waiting(store, notifiers, max_attempts),
                errors=tuple(errors),
            )
        try:
            notifiers[message.notifier].send(
                message.subject, message.text, {**message.payload, "key": message.key}
            )
        except MlopsNbError as error:
            wait = min(_FIRST * 2 ** (message.attempts - 1), _LONGEST)
            done = msgspec.structs.replace(message, due=moment + wait, error=str(error))
            given_up += message.attempts >= max_attempts
            failed += message.attempts < max_attempts
            said = str(error)
            named = said.startswith(f"{message.notifier}: ")
            errors.append(said if named else f"{message.notifier}: {said}")
        else:
            done = msgspec.structs.replace(message, delivered=moment, error="")
            sent += 1
        with store.transaction() as db:
            store.update_message(db, done)


def _take(
    store: Store, notifiers: Mapping[str, Notifier], now: float, max_attempts: int
) -> Message | None:
    if not store.path.exists():
        return None
    with store.transaction() as db:
        for message in store.due(db, tuple(notifiers), max_attempts, now=now, limit=1):
            taken = msgspec.structs.replace(
                message, attempts=message.attempts + 1, due=now + _LEASE
            )
            store.update_message(db, taken)
            return taken
    return None


def _waiting(store: Store, notifiers: Mapping[str, Notifier], max_attempts: int) -> int:
    with store.reading() as db:
        return 0 if db is None else store.undelivered(db, tuple(notifiers), max_attempts)[0]
