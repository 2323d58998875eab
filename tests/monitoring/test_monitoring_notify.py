"""Notifiers against real receivers; the queue against restarts, failures and two senders."""

from __future__ import annotations

import json
import socketserver
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlops_nb.errors import ConfigError, MonitoringError, PluginError
from mlops_nb.model import Message
from mlops_nb.monitoring.notify import deliver, make_notifiers
from mlops_nb.monitoring.settings import AlertSettings, NotifierSettings
from mlops_nb.monitoring.store import Store

SECRET = "hush-4711"


class Receiver:
    """An HTTP server that answers with what it is told to."""

    def __init__(self) -> None:
        self.got: list[dict] = []
        self.headers: list[dict] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(json.loads(body))
                outer.headers.append(dict(self.headers))
                code = outer.answers.pop(0) if outer.answers else 200
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/{SECRET}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "monitor.db")


def queue(store: Store, *keys: str, notifier: str = "webhook") -> None:
    with store.transaction() as db:
        for key in keys:
            store.put_message(
                db,
                Message(
                    id=0, key=key, notifier=notifier, subject=f"about {key}", text="<b> & more",
                    payload={"model": "m"}, due=0.0,
                ),
            )  # fmt: skip


def one(kind: str, env: dict[str, str] | None = None, **settings: object):
    return make_notifiers(
        AlertSettings(notify=(NotifierSettings(kind=kind, **settings),)), env or {}
    )


def messages(store: Store) -> tuple[Message, ...]:
    with store.reading() as db:
        return store.messages(db)


def test_a_webhook_gets_the_alert_with_its_key_and_token(receiver: Receiver, store: Store) -> None:
    notifiers = one(
        "webhook", {"URL": receiver.url, "TOKEN": "t0k"}, url_env="URL", token_env="TOKEN"
    )
    queue(store, "k1")
    assert deliver(store, notifiers).sent == 1
    assert receiver.got == [
        {"subject": "about k1", "text": "<b> & more", "model": "m", "key": "k1"}
    ]
    assert receiver.headers[0]["Idempotency-Key"] == "k1"
    assert receiver.headers[0]["Authorization"] == "Bearer t0k"
    assert deliver(store, notifiers).sent == 0
    assert len(receiver.got) == 1


def test_a_column_may_be_called_anything(receiver: Receiver, store: Store) -> None:
    key = "m/größe\n/drift@2026-01:opened:warning"
    queue(store, key)
    assert deliver(store, one("webhook", url=receiver.url)).sent == 1
    assert receiver.got[0]["key"] == key
    sent = receiver.headers[0]["Idempotency-Key"]
    assert sent == "m/gr%C3%B6%C3%9Fe%0A/drift@2026-01:opened:warning"


def test_messages_that_cannot_be_sent_hold_up_no_other(receiver: Receiver, store: Store) -> None:
    queue(store, *(f"old{i}" for i in range(1100)), notifier="gone from the settings")
    receiver.answers = [500]
    notifiers = one("webhook", url=receiver.url)
    queue(store, "lost")
    assert deliver(store, notifiers, max_attempts=1).given_up == 1
    queue(store, "fresh")
    with store.reading() as db:
        assert store.undelivered(db, ["webhook"], 1) == (1, 1)
    assert deliver(store, notifiers, max_attempts=1).sent == 1
    assert receiver.got[-1]["key"] == "fresh"
    with store.reading() as db:
        assert store.undelivered(db, ["webhook"], 1) == (0, 1)


def test_slack_gets_text_without_markup(receiver: Receiver, store: Store) -> None:
    queue(store, "k1", notifier="slack")
    deliver(store, one("slack", url=receiver.url))
    assert receiver.got == [{"text": "*about k1*\n&lt;b&gt; &amp; more"}]


def test_the_same_change_is_queued_once(store: Store) -> None:
    queue(store, "k1", "k1", "k2")
    queue(store, "k1")
    assert [message.key for message in messages(store)] == ["k1", "k2"]


def test_a_failure_is_tried_again_later_and_later(receiver: Receiver, store: Store) -> None:
    receiver.answers = [500, 503, 200]
    notifiers = one("webhook", url=receiver.url)
    queue(store, "k1")
    first = deliver(store, notifiers, now=1000.0)
    assert (first.sent, first.failed, first.waiting) == (0, 1, 1)
    assert first.errors == ("webhook: the receiver answered 500",)
    assert deliver(store, notifiers, now=1029.0) == deliver(store, notifiers, now=1029.0)
    assert len(receiver.got) == 1
    assert deliver(store, notifiers, now=1031.0).failed == 1
    assert deliver(store, notifiers, now=1060.0).failed == 0
    assert deliver(store, notifiers, now=1092.0).sent == 1
    (message,) = messages(store)
    assert (message.attempts, message.delivered, message.error) == (3, 1092.0, "")


def test_what_waits_survives_a_restart(receiver: Receiver, store: Store) -> None:
    queue(store, "k1", "k2")
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from mlops_nb.monitoring import notify\n"
        "from mlops_nb.monitoring.store import Store\n"
        "class Dies:\n"
        "    def send(self, subject, text, payload):\n"
        "        os._exit(9)\n"
        "notify.deliver(Store(Path(sys.argv[1])), {'webhook': Dies()}, now=1000.0)\n"
    )
    died = subprocess.run([sys.executable, "-c", code, str(store.path)], check=False)
    assert died.returncode == 9
    # The one that was being sent belongs to the dead process for two minutes, then to anyone.
    notifiers = one("webhook", url=receiver.url)
    assert deliver(Store(store.path), notifiers, now=1001.0).sent == 1
    assert [got["key"] for got in receiver.got] == ["k2"]
    assert deliver(Store(store.path), notifiers, now=1121.0).sent == 1
    assert [got["key"] for got in receiver.got] == ["k2", "k1"]


def test_two_senders_send_each_message_once(receiver: Receiver, store: Store) -> None:
    queue(store, *(f"k{i}" for i in range(20)))
    notifiers = one("webhook", url=receiver.url)
    sent: list[int] = []
    threads = [
        threading.Thread(target=lambda: sent.append(deliver(Store(store.path), notifiers).sent))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) == 20
    assert sorted(got["key"] for got in receiver.got) == sorted(f"k{i}" for i in range(20))


def test_one_broken_notifier_does_not_hold_up_the_others(receiver: Receiver, store: Store) -> None:
    settings = AlertSettings(
        notify=(
            NotifierSettings(kind="webhook", name="dead", url="http://127.0.0.1:9/x", timeout=1),
            NotifierSettings(kind="webhook", name="live", url=receiver.url),
        )
    )
    queue(store, "k1", notifier="dead")
    queue(store, "k1", notifier="live")
    queue(store, "k1", notifier="gone from the settings")
    done = deliver(store, make_notifiers(settings, {}))
    assert (done.sent, done.failed) == (1, 1)
    assert len(receiver.got) == 1


def test_after_enough_attempts_it_is_given_up(receiver: Receiver, store: Store) -> None:
    receiver.answers = [500] * 9
    notifiers = one("webhook", url=receiver.url)
    queue(store, "k1")
    assert deliver(store, notifiers, max_attempts=2, now=1.0).failed == 1
    assert deliver(store, notifiers, max_attempts=2, now=1e6).given_up == 1
    assert deliver(store, notifiers, max_attempts=2, now=1e9) == deliver(store, {}, now=1e9)
    assert len(receiver.got) == 2


def test_secrets_reach_no_error(receiver: Receiver, store: Store, tmp_path: Path) -> None:
    receiver.answers = [404, 302]
    queue(store, "k1", "k2")
    done = deliver(store, one("webhook", {"U": receiver.url}, url_env="U"))
    assert done.failed == 2
    away = one("webhook", {"U": f"http://127.0.0.1:9/{SECRET}"}, url_env="U", timeout=1)
    done_away = deliver(store, away, now=1e12)
    bad = one("webhook", {"U": f"https://[{SECRET}/"}, url_env="U")
    done_bad = deliver(store, bad, now=1e13)
    told = repr((done, done_away, done_bad, messages(store)))
    assert SECRET not in told
    # A redirect is not followed: it might lead anywhere.
    assert len(receiver.got) == 2


class Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs."""

    def handle(self) -> None:
        self.say("220 hello")
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "DATA":
                self.say("354 go on")
                lines = []
                while (text := self.rfile.readline().decode()) != ".\r\n":
                    lines.append(text)
                self.server.mails.append("".join(lines))
            if word == "RCPT" and "nobody" in line:
                self.say("550 no such user")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def mail_server() -> Iterator[socketserver.ThreadingTCPServer]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        server.mails = []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_email_arrives_and_its_headers_cannot_be_forged(mail_server, store: Store) -> None:
    queue(store, "k1", notifier="email")
    with store.transaction() as db:
        db.execute("UPDATE outbox SET subject = 'drift' || char(13, 10) || 'Bcc: evil@example.org'")
    port = mail_server.server_address[1]
    address = {"host": "127.0.0.1", "port": port, "sender": "bot@example.org"}
    notifiers = one("email", **address, to=("ana@example.org", "ben@example.org"))
    assert deliver(store, notifiers).errors == ()
    (mail,) = mail_server.mails
    head, _, body = mail.partition("\r\n\r\n")
    assert "Subject: drift Bcc: evil@example.org" in head
    assert "\r\nBcc:" not in head
    assert "To: ana@example.org, ben@example.org" in head
    assert "Message-ID: <" in head
    assert "<b> & more" in body
    queue(store, "k2", notifier="email")
    refused = deliver(store, one("email", **address, to=("nobody@example.org",)))
    assert refused.failed == 1
    assert "refused or is away" in refused.errors[0]


def test_a_command_gets_json_and_no_shell(store: Store, tmp_path: Path) -> None:
    script = tmp_path / "notify me.py"
    script.write_text(
        f"#!{sys.executable}\nimport sys, pathlib\n"
        "pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    out = tmp_path / "out; rm -rf $HOME"
    queue(store, "k1", notifier="command")
    assert deliver(store, one("command", command=(str(script), str(out)))).errors == ()
    assert json.loads(out.read_text())["key"] == "k1"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("false",), "exited with 1"),
        (("/nowhere/at-all",), "cannot be run: No such file"),
        (("sh", "-c", "echo what went wrong >&2; exit 3"), "exited with 3: what went wrong"),
        (("sleep", "9"), "did not end within 0.2 s"),
    ],
)
def test_a_command_that_fails_says_why(command: tuple[str, ...], message: str) -> None:
    (notifier,) = one(
        "command",
        {"PATH": "/usr/bin:/bin"},
        command=command,
        timeout=0.2 if command[0] == "sleep" else 9,
    ).values()
    with pytest.raises(MonitoringError, match=message):
        notifier.send("s", "t", {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "webhook"}, 'needs "url" or "url-env"'),
        ({"kind": "webhook", "url_env": "NOPE"}, "the environment lacks NOPE"),
        ({"kind": "webhook", "url": "file:///etc/passwd"}, "does not start with https://"),
        (
            {"kind": "webhook", "url": "https://x", "token_env": "NOPE"},
            "the environment lacks NOPE",
        ),
        ({"kind": "email", "sender": "a@b"}, 'needs "sender" and "to"'),
        ({"kind": "email", "sender": "a@b", "to": ("c@d",), "user": "u"}, 'needs "token-env"'),
        ({"kind": "command"}, 'needs "command"'),
    ],
)
def test_settings_are_checked_before_anything_is_sent(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        one(**settings)
    assert "[[tool.mlops-nb.alerts.notify]]" in str(caught.value)


def test_names_and_kinds_are_checked() -> None:
    with pytest.raises(PluginError, match="pigeon"):
        one("pigeon")
    twice = NotifierSettings(kind="webhook", url="https://x")
    with pytest.raises(ConfigError, match='two notifiers are called "webhook"'):
        make_notifiers(AlertSettings(notify=(twice, twice)), {})


def test_nothing_to_deliver_makes_no_database(tmp_path: Path) -> None:
    assert deliver(Store(tmp_path / "none.db"), {}).sent == 0
    assert not (tmp_path / "none.db").exists()


def test_a_receiver_gets_the_headline_and_what_the_alert_is_about(
    receiver: Receiver, store: Store, tmp_path: Path
) -> None:
    """An alert has a subject and a text of its own; the message's are not lost for them."""
    alert = {"model": "m", "subject": "temp", "text": "median 1 → 2", "aspect": "drift"}
    out = tmp_path / "got.json"
    command = ("sh", "-c", f"cat > {out}")
    with store.transaction() as db:
        for name in ("webhook", "command"):
            store.put_message(
                db,
                Message(
                    id=0,
                    key="k",
                    notifier=name,
                    subject="[critical] m: temp drift opened",
                    text="median 1 → 2\n\nAcknowledge: mlops-nb monitor ack",
                    payload=alert,
                    due=0.0,
                ),
            )
    notifiers = {**one("webhook", url=receiver.url), **one("command", command=command)}
    assert deliver(store, notifiers).sent == 2
    for got in (receiver.got[0], json.loads(out.read_text())):
        assert got["subject"] == "[critical] m: temp drift opened"
        assert "Acknowledge" in got["text"]
        assert (got["about"], got["reason"]) == ("temp", "median 1 → 2")
        assert (got["model"], got["aspect"], got["key"]) == ("m", "drift", "k")


def test_an_address_that_is_none_is_told_and_the_message_waits(store: Store) -> None:
    queue(store, "k1", notifier="email")
    wrong = one("email", sender="a@example.org\nBcc: x@example.org", to=("b@example.org",))
    done = deliver(store, wrong)
    assert (done.sent, done.failed) == (0, 1)
    assert '"sender" and "to"' in done.errors[0]
    (message,) = messages(store)
    assert message.delivered is None


def test_a_variable_that_is_missing_is_named_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match="lacks TOKEN") as caught:
        one("webhook", url="https://example.org", token_env="TOKEN")
    assert "set TOKEN" in caught.value.fix
