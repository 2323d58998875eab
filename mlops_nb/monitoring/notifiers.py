"""Tells people and machines: webhook, Slack-compatible hook, e-mail, a command.

Secrets come from environment variables and never reach a message, a log or an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import ConfigError, MonitoringError
from mlops_nb.model import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.model import Json
    from mlops_nb.monitoring.settings import NotifierSettings

__all__ = ["CommandNotifier", "EmailNotifier", "SlackNotifier", "WebhookNotifier"]

_OWN = {"subject": "about", "text": "reason"}
"""The alert's fields that would hide the message's own of the same name, and what they are sent as."""


class WebhookNotifier:
    """Posts the message as JSON: ``subject``, ``text``, and the alert's fields.

    What the alert is about (a column or a metric) is ``about``, and what was found ``reason``.
    """

    def __init__(self, settings: NotifierSettings, env: Mapping[str, str]) -> None:
        self._url = _secret_or(settings, env, settings.url, settings.url_env, "url")
        if not self._url.startswith(("https://", "http://")):
            raise _wrong(settings, "the URL does not start with https://")
        self._token = env.get(settings.token_env, "") if settings.token_env else ""
        if settings.token_env and not self._token:
            raise _lacks(settings, settings.token_env)
        self._timeout = settings.timeout
        self._name = settings.name or settings.kind

    def send(self, subject: str, text: str, payload: Mapping[str, Json]) -> None:
        """Post one message.

        Raises
        ------
        MonitoringError
            The receiver cannot be reached or does not answer with 2xx.
        """
        self._post(_body(subject, text, payload), str(payload.get("key", "")))

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
            raise _lacks(settings, settings.token_env)
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
        try:
            mail["Subject"] = " ".join(subject.split())
            mail["From"] = one.sender
            mail["To"] = ", ".join(one.to)
        except ValueError as error:
            raise MonitoringError(
                f"no address: {error}", where="email", fix='mend "sender" and "to"'
            ) from error
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
        # A password or an address that the protocol cannot carry is a UnicodeError.
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            raise MonitoringError(
                f"the mail server {one.host}:{one.port} refused or is away ({type(error).__name__})",
                where="email",
            ) from error


class CommandNotifier:
    """Runs a program with a webhook's JSON on its standard input; no shell is involved."""

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
                input=encode(_body(subject, text, payload)),
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
            raise _lacks(settings, variable)
        return env[variable]
    if not plain:
        raise _wrong(settings, f'needs "{what}" or "{what}-env"')
    return plain


def _wrong(settings: NotifierSettings, message: str) -> ConfigError:
    return ConfigError(
        message,
        where=f"[[tool.mlops-nb.alerts.notify]], {settings.name or settings.kind}",
    )


def _lacks(settings: NotifierSettings, variable: str) -> ConfigError:
    return ConfigError(
        f"the environment lacks {variable}",
        where=f"[[tool.mlops-nb.alerts.notify]], {settings.name or settings.kind}",
        fix=f"set {variable}, also where a timer or a service starts mlops-nb",
    )


def _body(subject: str, text: str, payload: Mapping[str, Json]) -> dict[str, Json]:
    fields = {_OWN.get(name, name): value for name, value in payload.items()}
    return {"subject": subject, "text": text, **fields}


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
