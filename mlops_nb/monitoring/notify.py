"""Tells people and machines: webhook, Slack-compatible hook, e-mail, a command.

Delivery is at least once. Messages wait in the outbox of ``monitor.db``, which survives restarts;
each has a key, sent along as ``Idempotency-Key`` (``Message-ID`` in e-mail), by which a receiver
can tell a repeat; the header has it percent-encoded, the payload's ``key`` as it is. A failed delivery is tried again, after 30 s, 1 min, 2 min … up to 6 hours.
Secrets come from environment variables and never reach a message, a log or an error.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import ConfigError, MlopsNbError, MonitoringError
from mlops_nb.model import Record, encode
from mlops_nb.plugins import find

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.model import Json, Message
    from mlops_nb.monitoring.settings import AlertSettings, NotifierSettings
    from mlops_nb.monitoring.store import Store
    from mlops_nb.protocols import Notifier

__all__ = [
    "CommandNotifier",
    "Delivery",
    "EmailNotifier",
    "SlackNotifier",
    "WebhookNotifier",
    "deliver",
    "make_notifiers",
]

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


class WebhookNotifier:
    """Posts the alert as JSON: ``subject``, ``text`` and the payload's fields."""

    def __init__(self, settings: NotifierSettings, env: Mapping[str, str]) -> None:
        self._url = _secret_or(settings, env, settings.url, settings.url_env, "url")
        if not self._url.startswith(("https://", "http://")):
            raise _wrong(settings, "the URL does not start with https://")
        self._token = env.get(settings.token_env, "") if settings.token_env else ""
        if settings.token_env and not self._token:
            raise _wrong(settings, f"the environment lacks {settings.token_env}")
        self._timeout = settings.timeout
        self._name = settings.name or settings.kind

    def send(self, subject: str, text: str, payload: Mapping[str, Json]) -> None:
        """Post one message.

        Raises
        ------
        MonitoringError
            The receiver cannot be reached or does not answer with 2xx.
        """
        self._post({"subject": subject, "text": text, **payload}, str(payload.get("key", "")))

    def _post(self, body: Mapping[str, Json], key: str) -> None:
        from urllib.parse import quote

        import httpx

        # A column may be called anything, a header holds ASCII alone.
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": quote(key, safe="/:@ ").strip(),
        }
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            answer = httpx.post(
                self._url,
                content=encode(body),
                headers=headers,
                timeout=self._timeout,
                follow_redirects=False,
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            # The message of an error may hold the URL, and the URL a secret.
            raise MonitoringError(
                f"the receiver cannot be reached ({type(error).__name__})", where=self._name
            ) from None
        if not answer.is_success:
            raise MonitoringError(f"the receiver answered {answer.status_code}", where=self._name)


class SlackNotifier(WebhookNotifier):
    """Posts to an incoming webhook of Slack, Mattermost, Rocket.Chat or Zulip."""

    def send(self, subject: str, text: str, payload: Mapping[str, Json]) -> None:
        """Post one message; what Slack reads as markup is escaped."""
        self._post({"text": f"*{_slack(subject)}*\n{_slack(text)}"}, str(payload.get("key", "")))


class EmailNotifier:
    """Sends a plain-text e-mail by SMTP."""

    def __init__(self, settings: NotifierSettings, env: Mapping[str, str]) -> None:
        if not settings.sender or not settings.to:
            raise _wrong(settings, 'needs "sender" and "to"')
        if settings.user and not settings.token_env:
            raise _wrong(settings, 'needs "token-env", the variable with the password')
        self._password = env.get(settings.token_env, "") if settings.token_env else ""
        if settings.user and not self._password:
            raise _wrong(settings, f"the environment lacks {settings.token_env}")
        self._settings = settings

    def send(self, subject: str, text: str, payload: Mapping[str, Json]) -> None:
        """Send one message to all receivers.

        Raises
        ------
        MonitoringError
            The server cannot be reached or refuses it.
        """
        import smtplib
        import ssl
        from email.message import EmailMessage
        from email.utils import formatdate
        from hashlib import sha256

        one = self._settings
        mail = EmailMessage()
        mail["Subject"] = " ".join(subject.split())
        mail["From"] = one.sender
        mail["To"] = ", ".join(one.to)
        mail["Date"] = formatdate()
        digest = sha256(str(payload.get("key", subject)).encode()).hexdigest()[:32]
        mail["Message-ID"] = f"<{digest}@mlops-nb>"
        mail.set_content(text)
        try:
            with (
                smtplib.SMTP_SSL(
                    one.host, one.port, timeout=one.timeout, context=ssl.create_default_context()
                )
                if one.port == 465
                else smtplib.SMTP(one.host, one.port, timeout=one.timeout)
            ) as server:
                if one.starttls:
                    server.starttls(context=ssl.create_default_context())
                if one.user:
                    server.login(one.user, self._password)
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise MonitoringError(
                f"the mail server {one.host}:{one.port} refused or is away ({type(error).__name__})",
                where="email",
            ) from error


class CommandNotifier:
    """Runs a program with the alert as JSON on its standard input; no shell is involved."""

    def __init__(self, settings: NotifierSettings, env: Mapping[str, str]) -> None:
        if not settings.command:
            raise _wrong(settings, 'needs "command", a list of the program and its arguments')
        self._command = list(settings.command)
        self._timeout = settings.timeout
        self._env = dict(env)

    def send(self, subject: str, text: str, payload: Mapping[str, Json]) -> None:
        """Run the program once.

        Raises
        ------
        MonitoringError
            It is not there, takes too long, or does not exit with 0.
        """
        import subprocess

        try:
            done = subprocess.run(
                self._command,
                input=encode({"subject": subject, "text": text, **payload}),
                env=self._env,
                capture_output=True,
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise MonitoringError(
                f"did not end within {self._timeout:g} s", where=self._command[0]
            ) from error
        except OSError as error:
            raise MonitoringError(
                f"cannot be run: {error.strerror}", where=self._command[0]
            ) from error
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            said = f": {lines[-1][:200]}" if lines else ""
            raise MonitoringError(f"exited with {done.returncode}{said}", where=self._command[0])


def _secret_or(
    settings: NotifierSettings, env: Mapping[str, str], plain: str, variable: str, what: str
) -> str:
    if variable:
        if not env.get(variable):
            raise _wrong(settings, f"the environment lacks {variable}")
        return env[variable]
    if not plain:
        raise _wrong(settings, f'needs "{what}" or "{what}-env"')
    return plain


def _wrong(settings: NotifierSettings, message: str) -> ConfigError:
    return ConfigError(
        message,
        where=f"[[tool.mlops-nb.alerts.notify]], {settings.name or settings.kind}",
    )


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
