"""Schedules and the scheduler in ``pyproject.toml``, and the checks that every schedule passes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from mlops_nb.errors import ConfigError, ScheduleError, nearest
from mlops_nb.model import Json, Overlap, Schedule, Source
from mlops_nb.scheduling.template import check_parameters
from mlops_nb.scheduling.when import read_trigger

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SchedulerSettings", "check_schedule", "read_schedules"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class _Settings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    pass


class SchedulerSettings(_Settings, frozen=True, kw_only=True):
    """``[tool.mlops-nb.scheduler]``: what holds for all schedules."""

    max_running: int = 4
    """Occurrences that run at a time over all schedules and machines; 0 for any number."""
    lease: float = 60.0
    """Seconds without a sign of life after which a run of another machine counts as lost."""
    history_days: float = 90.0
    """Days that occurrences which are over are kept; 0 for ever."""
    kill_after: float = 30.0
    """Seconds that a run gets to end after it was told to, before it is killed."""
    port: int = 0
    """Where the daemon answers ``/healthz`` and ``/metrics``; 0 for nowhere."""
    host: str = "127.0.0.1"


class _ScheduleTable(_Settings, frozen=True, kw_only=True):
    """``[tool.mlops-nb.schedules.<name>]``; see `Schedule`."""

    when: str
    timezone: str = "UTC"
    tasks: tuple[str, ...] = ()
    parameters: dict[str, Json] = {}
    force: bool = False
    source: Source = Source.LATEST
    ref: str = "HEAD"
    missed: Literal["skip", "once", "all"] | int = "once"
    grace: float = 60.0
    overlap: Overlap = Overlap.SKIP
    max_running: int = 0
    retries: int = 0
    backoff: float = 60.0
    timeout: float | None = None
    jitter: float = 0.0
    start: str = ""
    end: str = ""
    sla: float | None = None
    keep: int = 0
    keep_days: float = 0.0
    description: str = ""


def read_schedules(tables: Mapping[str, Json], where: str = "") -> dict[str, Schedule]:
    """Return the schedules of ``[tool.mlops-nb.schedules]``, checked, by name.

    Parameters
    ----------
    tables
        The table's own tables, one a schedule.
    where
        The file, for errors.

    Raises
    ------
    ConfigError
        A key is unknown, or a value is wrong.
    """
    known = [field.encode_name for field in msgspec.structs.fields(_ScheduleTable)]
    found = {}
    for name, table in tables.items():
        place = f"{where}{', ' if where else ''}[tool.mlops-nb.schedules.{name}]"
        if not isinstance(table, dict):
            raise ConfigError("is no table", where=place, fix='write when = "every weekday at 6"')
        for key in table:
            if key not in known:
                raise ConfigError(f'"{key}" is not a setting', where=place, fix=nearest(key, known))
        try:
            read = msgspec.convert(table, _ScheduleTable)
            schedule = Schedule(name=name, **msgspec.structs.asdict(read))
            check_schedule(schedule)
        except msgspec.ValidationError as error:
            raise ConfigError(str(error), where=place) from error
        except ScheduleError as error:
            raise ConfigError(error.message, where=place, fix=error.fix) from error
        found[name] = schedule
    return found


def check_schedule(schedule: Schedule) -> None:
    """Make sure that a schedule can be kept and run.

    Raises
    ------
    ScheduleError
        Its name, time, zone, a number or a parameter is wrong.
    """
    where = f'schedule "{schedule.name}"'
    if not _NAME.fullmatch(schedule.name):
        raise ScheduleError(
            f'"{schedule.name}" cannot name a schedule',
            fix="use letters, digits, dots, hyphens and underscores, at most 100",
        )
    for field in ("grace", "backoff", "jitter", "max_running", "retries", "keep", "keep_days"):
        if getattr(schedule, field) < 0:
            raise ScheduleError(f"{field.replace('_', '-')} is negative", where=where)
    for field in ("timeout", "sla"):
        value = getattr(schedule, field)
        if value is not None and value <= 0:
            raise ScheduleError(
                f"{field} = {value:g} is no time", where=where, fix="give seconds above 0"
            )
    if isinstance(schedule.missed, int) and not 1 <= schedule.missed <= 1000:
        raise ScheduleError(
            f"missed = {schedule.missed} is no number of occurrences",
            where=where,
            fix='use "skip", "once", "all" or a number from 1 to 1000',
        )
    if schedule.ref.startswith("-") or not schedule.ref:
        raise ScheduleError(f'ref = "{schedule.ref}" names no commit', where=where)
    if schedule.overlap is Overlap.ALLOW and schedule.source is Source.LATEST:
        raise ScheduleError(
            'overlap = "allow" needs frozen sources: runs of the latest ones share their products, '
            "and can only take turns",
            where=where,
            fix="use --source snapshot or --source commit, or --overlap queue to take turns",
        )
    read_trigger(schedule)
    check_parameters(schedule)
