"""Schedules for one machine: cron, systemd timers, Windows' Task Scheduler."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from mlops_nb.errors import ScheduleError
from mlops_nb.export.quoting import comment, shell_words
from mlops_nb.export.schedules.head import head, head_xml
from mlops_nb.export.schedules.place import STORE, due_words
from mlops_nb.export.secrecy import holds_password

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.export.schedules.place import Place
    from mlops_nb.model import CronFields, Json, Pipeline, ScheduleEntry

__all__ = ["cron", "systemd", "windows"]

_FOLDER = "schedules"
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_TRIGGERS = 48
"""What Windows allows in one task."""
_TASK = "http://schemas.microsoft.com/windows/2004/02/mit/task"


def _command(entry: ScheduleEntry, place: Place) -> list[str]:
    call = [place.python, "-P", "-m", "mlops_nb", "--project", place.spec]
    return [*call, *due_words(entry)]


def _note(entry: ScheduleEntry, fields: CronFields) -> str:
    text = f"{entry.name}: {entry.words}"
    if not fields.exact:
        text += "\nFires more often than that; there is nothing to do then."
    return text


def _store(place: Place) -> str:
    """Return the store's address that an entry has to be given; empty where it finds that itself."""
    if holds_password(place.store) or re.search(r"[\r\n'\"]", place.store):
        raise ScheduleError(
            f"{STORE} holds a password, which would be written into a file",
            fix="leave it out of the address and put it into ~/.pgpass, where PostgreSQL's library "
            "looks for it",
        )
    return place.store


def cron(
    entries: Sequence[ScheduleEntry], place: Place, _: Pipeline, __: Mapping[str, Json]
) -> dict[str, str]:
    """Return a crontab for a user: ``crontab schedules/crontab``."""
    text = head("cron", place.root) + comment(
        "Install with: crontab schedules/crontab (it replaces the user's "
        "crontab), or append it to that."
    )
    zones = {entry.machine.timezone for entry in entries}
    text += comment(f"Times are those of a machine in {', '.join(sorted(zones))}.\n")
    text += "SHELL=/bin/sh\n"
    if store := _store(place):
        text += f"{STORE}={store}\n"
    for entry in entries:
        # In a crontab a percent sign ends the command.
        line = shell_words(_command(entry, place)).replace("%", r"\%")
        if "\n" in line:
            raise ScheduleError("a path with a line break cannot stand in a crontab")
        text += "\n" + comment(_note(entry, entry.machine)) + f"{entry.machine.text} {line}\n"
    return {f"{_FOLDER}/crontab": text}


def systemd(
    entries: Sequence[ScheduleEntry], place: Place, _: Pipeline, __: Mapping[str, Json]
) -> dict[str, str]:
    """Return a service and a timer for each schedule, for ``/etc/systemd/system`` or a user."""
    files = {}
    store = _store(place)
    environment = f"Environment={_systemd(f'{STORE}={store}')}\n" if store else ""
    for entry in entries:
        unit = f"mlops-nb-{entry.id}"
        title = " ".join(f"mlops-nb schedule {entry.name}".split())
        line = " ".join(_systemd(word) for word in _command(entry, place))
        begin = head("systemd", place.root) + comment(_note(entry, entry.fields))
        files[f"{_FOLDER}/{unit}.service"] = (
            begin + f"[Unit]\nDescription={_specifiers(title)}\n\n[Service]\nType=oneshot\n"
            f"WorkingDirectory={_specifiers(place.root)}\n{environment}ExecStart={line}\n"
            + comment("In /etc/systemd/system root runs it, unless you say who does:")
            + comment(f"User={place.user}")
        )
        files[f"{_FOLDER}/{unit}.timer"] = (
            begin + f"[Unit]\nDescription={_specifiers(title)}\n\n[Timer]\n"
            f"OnCalendar={on_calendar(entry.fields)}\nAccuracySec=1s\n"
            # What was due while the machine was off is looked at when it is on again.
            f"Persistent=true\nUnit={unit}.service\n\n[Install]\nWantedBy=timers.target\n"
        )
    return files


def on_calendar(fields: CronFields) -> str:
    """Return fields as systemd's calendar event, in their own zone."""
    days = ",".join(_DAYS[day] for day in fields.weekdays) if fields.weekdays else ""
    date = "-".join(("*", _list(fields.months), _list(fields.days)))
    clock = ":".join((_list(fields.hours), _list(fields.minutes), "00"))
    return " ".join(part for part in (days, date, clock, fields.timezone) if part)


def _list(values: Sequence[int]) -> str:
    return ",".join(f"{value:02d}" for value in values) or "*"


def _specifiers(text: str) -> str:
    if re.search(r"[\r\n]", text):
        raise ScheduleError("a path with a line break cannot stand in a unit")
    return text.replace("%", "%%")


def _systemd(word: str) -> str:
    word = _specifiers(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{word}"' if re.search(r"[\s'\"\\;]", word) or not word else word


def windows(
    entries: Sequence[ScheduleEntry], place: Place, _: Pipeline, __: Mapping[str, Json]
) -> dict[str, str]:
    """Return a task for each schedule: ``schtasks /Create /TN NAME /XML FILE``."""
    files = {}
    for entry in entries:
        root = ElementTree.Element("Task", version="1.2", xmlns=_TASK)
        about = ElementTree.SubElement(root, "RegistrationInfo")
        _text(about, "Description", _note(entry, entry.utc))
        triggers = ElementTree.SubElement(root, "Triggers")
        for start, repeat in _starts(entry.utc):
            trigger = ElementTree.SubElement(triggers, "CalendarTrigger")
            if repeat:
                every = ElementTree.SubElement(trigger, "Repetition")
                _text(every, "Interval", f"PT{repeat}M")
                _text(every, "Duration", "P1D")
            # A time that ends in Z is the same moment in summer and winter.
            _text(trigger, "StartBoundary", f"2026-01-01T{start // 60:02d}:{start % 60:02d}:00Z")
            daily = ElementTree.SubElement(trigger, "ScheduleByDay")
            _text(daily, "DaysInterval", "1")
        settings = ElementTree.SubElement(root, "Settings")
        _text(settings, "MultipleInstancesPolicy", "IgnoreNew")
        _text(settings, "StartWhenAvailable", "true")
        _text(settings, "ExecutionTimeLimit", "PT0S")
        actions = ElementTree.SubElement(root, "Actions")
        program = ElementTree.SubElement(actions, "Exec")
        command, *arguments = _command(entry, place)
        if "\n" in place.spec:
            raise ScheduleError("a path with a line break cannot stand in a task")
        from subprocess import list2cmdline

        _text(program, "Command", command)
        _text(program, "Arguments", list2cmdline(arguments))
        _text(program, "WorkingDirectory", place.root)
        ElementTree.indent(root)
        files[f"{_FOLDER}/{entry.id}.xml"] = (
            '<?xml version="1.0"?>\n'
            + head_xml("windows-task", place.root)
            + ElementTree.tostring(root, encoding="unicode")
            + "\n"
        )
    return files


def _starts(fields: CronFields) -> list[tuple[int, int]]:
    """Return minutes of the day at which a task starts, and minutes after which it does so again."""
    from math import gcd

    minutes = sorted(
        hour * 60 + minute
        for hour in fields.hours or range(24)
        for minute in fields.minutes or range(60)
    )
    if len(minutes) <= _TRIGGERS:
        return [(minute, 0) for minute in minutes]
    return [(minutes[0], gcd(1440, *(one - minutes[0] for one in minutes)))]


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    if re.search(r"[^\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text):
        raise ScheduleError(f"{text!r} holds a character that cannot stand in XML")
    ElementTree.SubElement(parent, name).text = text
