"""``[tool.mlops-nb.export]``: what an exported pipeline needs to know beyond the pipeline itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Literal

import msgspec

from mlops_nb.cron import from_sunday
from mlops_nb.errors import ConfigError, nearest
from mlops_nb.export.secrecy import holds_password, looks_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.model import Json

__all__ = ["CACHE", "ExportSettings", "is_plain_cron", "read_settings"]

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORMS = {
    "lock": r"[A-Za-z0-9._/-]+",
    "image": r"[A-Za-z0-9._/:@-]*",
    "base_image": r"[A-Za-z0-9._/:@-]*",
    "timezone": r"[A-Za-z0-9_+/-]+",
    "namespace": r"[a-z0-9-]*",
    "volume": r"[a-z0-9.-]*",
    "secret_name": r"[a-z0-9.-]*",
    "executor_account": r"[a-z0-9.-]*",
    "volume_size": r"[0-9]+[KMGT]i?",
    "cache": r"([a-z0-9+]+:/)?/[A-Za-z0-9._/@:=-]+|",
    "cache_volume": r"[a-z0-9.-]*",
}
CACHE = "MLOPS_NB_CACHE"
"""The variable from which ``mlops-nb`` takes its product cache."""
_PIP = "python -m pip install --disable-pip-version-check"
_CRON_FIELD = re.compile(r"[0-9*/,-]+")
_NAME = re.compile(
    r"(?i)jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun"
)


class ExportSettings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """The settings that every target reads; each has a default that works."""

    group: Literal["none", "auto", "by-level"] = "none"
    """How tasks share jobs; ``auto`` joins tasks that `durations` shows to be tiny."""
    group_seconds: float = 60.0
    """With ``auto``: a task shorter than this is tiny, and tiny tasks share a job up to this."""
    durations: dict[str, float] = {}
    """Measured seconds by task; by default those of earlier runs on this machine."""
    python: str = "3.12"
    """Version of Python that the jobs use."""
    lock: str = "requirements.txt"
    """File with the exact versions to install, relative to the project root."""
    hashes: bool = False
    """The lock holds hashes, and pip has to check them."""
    package: bool = False
    """The project is a package of its own, which jobs install as well."""
    extras: tuple[str, ...] = ()
    """Extras of that package."""
    install: tuple[str, ...] = ()
    """Shell commands that prepare a job, instead of ``pip install`` of the lock."""
    parameters: tuple[str, ...] | None = None
    """Parameters that can be given when a run is started; every one by default."""
    schedule: str = ""
    """Cron expression of five fields; empty for none. The API takes it, with its time zone, from
    ``[tool.mlops-nb.schedules]`` where one schedule there runs the whole pipeline."""
    timezone: str = "UTC"
    """IANA name."""
    schedule_utc: dict[str, str] = {}
    """The schedule in UTC for each offset of the zone, such as ``+0100``, for targets that know
    only UTC; the API works it out."""
    branch: str = "main"
    """The default branch."""
    secrets: tuple[str, ...] = ()
    """Environment variables whose values come from the target's own store of secrets."""
    env: dict[str, str] = {}
    """Further environment variables; nothing secret."""
    image: str = ""
    """Container image that holds the project, by digest where it is known: ``name@sha256:...``."""
    base_image: str = ""
    """Image that the Dockerfile starts from; ``python:<python>-slim-bookworm`` by default."""
    cache: str = ""
    """Product cache that all jobs of all runs share: an fsspec URL such as ``s3://bucket/cache``,
    whose credentials are among `secrets`, or an absolute folder. Empty: what the target has."""
    cache_volume: str = ""
    """Volume claim that Argo and Kubeflow mount into all pods for a folder `cache`."""
    timeout_minutes: int = 60
    """For a job whose tasks have no timeout of their own."""
    infrastructure_retries: int = 2
    """Further attempts after a lost machine or pod; tasks have retries of their own."""
    keep_days: int = 14
    """Days that reports and bundles are kept."""
    drift_data: str = ""
    """Newest data, a file or folder below the root; the drift check compares it with a reference."""
    drift_reference: str = ""
    """Reference to compare with; by default the pipeline's product that is called ``reference``."""
    drift_command: str = ""
    """Shell that checks for drift in its own way; it fails where there is some."""
    drift_schedule: str = "41 5 * * *"
    """Cron expression of the drift check; empty for none."""
    namespace: str = ""
    """Kubernetes namespace; empty for the one that the files are applied to."""
    volume: str = ""
    """Name of the volume claim that holds the project's state; made from its name by default."""
    volume_size: str = "10Gi"
    secret_name: str = ""
    """Kubernetes Secret that holds `secrets`; made from the project's name by default."""
    executor_account: str = ""
    """Service account of Argo's executor; one that may only report results is written by default."""
    runner: str = "ubuntu-24.04"
    """Label of GitHub's runner."""
    agent: str = ""
    """Label of Jenkins' agents; empty for any."""
    conda_channels: tuple[str, ...] = ("conda-forge",)
    conda_packages: tuple[str, ...] = ()
    """Specifications that conda installs; the rest comes from pip."""
    pip_packages: tuple[str, ...] = ()
    """Exact requirements of the project's environment: ``numpy==2.4.0``; by default
    conda's pip part names the lock."""

    @property
    def python_image(self) -> str:
        """The image with Python that jobs start from."""
        return self.base_image or f"python:{self.python}-slim-bookworm"

    @property
    def install_lock(self) -> tuple[str, ...]:
        """The commands that install the lock, before the project itself is there."""
        if self.install or self._constrained:
            return ()
        flag = "--require-hashes " if self.hashes else ""
        return (f"{_PIP} {flag}-r {quote(self.lock)}",)

    @property
    def install_project(self) -> tuple[str, ...]:
        """The commands after these, which need the project's files."""
        if self.install:
            return self.install
        if self._constrained:
            extras = f"[{','.join(self.extras)}]" if self.extras else ""
            return (f"{_PIP} -c {quote(self.lock)} {quote('.' + extras)}",)
        return (f"{_PIP} --no-deps .",) if self.package else ()

    @property
    def install_commands(self) -> tuple[str, ...]:
        """The commands that prepare a job."""
        return (*self.install_lock, *self.install_project)

    @property
    def _constrained(self) -> bool:
        """Whether the lock says which versions, and only the package which packages."""
        constraints = self.lock.rpartition("/")[2].startswith("constraints")
        return self.package and constraints and not self.hashes


def read_settings(table: Mapping[str, Json]) -> ExportSettings:
    """Return a table of settings as a checked record.

    Parameters
    ----------
    table
        ``[tool.mlops-nb.export]`` with what the caller adds (``durations``, ``pip-packages``).

    Raises
    ------
    ConfigError
        A key is unknown, a value has the wrong type or form, or a secret would be written out.
    """
    where = "[tool.mlops-nb.export]"
    known = [field.encode_name for field in msgspec.structs.fields(ExportSettings)]
    for key in table:
        if key not in known:
            raise ConfigError(f'"{key}" is not a setting', where=where, fix=nearest(key, known))
    try:
        settings = msgspec.convert(dict(table), ExportSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error), where=where) from error
    for key in ("schedule", "drift_schedule"):
        if text := getattr(settings, key):
            _check_cron(text, f"{where} {key.replace('_', '-')}")
            settings = msgspec.structs.replace(settings, **{key: from_sunday(text)})
    for offset, text in settings.schedule_utc.items():
        _check_cron(text, f"{where} schedule-utc")
        if not re.fullmatch(r"[+-]\d{4}", offset):
            raise ConfigError(f'"{offset}" is no offset', where=where, fix='write "+0100"')
    settings = _with_cache(settings, where)
    for name in (*settings.env, *settings.secrets):
        if not _ENV_NAME.fullmatch(name):
            raise ConfigError(
                f'"{name}" cannot name an environment variable',
                where=where,
                fix="use letters, digits and underscores",
            )
    for name, value in settings.env.items():
        number = re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
        if looks_secret(name, number=number) or holds_password(value):
            raise ConfigError(
                f'"{name}" looks like a secret and would be written into files',
                where=f"{where} env",
                fix=f'name it in secrets = ["{name}"] and put its value into the target\'s store',
            )
    for key, form in _FORMS.items():
        if not re.fullmatch(form, getattr(settings, key)):
            raise ConfigError(
                f'"{getattr(settings, key)}" cannot be used',
                where=f"{where} {key.replace('_', '-')}",
                fix="use letters, digits and . _ - / (an image may also have : and @)",
            )
    for extra in settings.extras:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", extra):
            raise ConfigError(f'"{extra}" is not an extra', where=f"{where} extras")
    if not re.fullmatch(r"3\.\d+(\.\d+)?", settings.python):
        raise ConfigError(
            f'"{settings.python}" is not a version of Python', where=where, fix='write "3.12"'
        )
    return settings


def _with_cache(settings: ExportSettings, where: str) -> ExportSettings:
    """Return settings whose `env` and `cache` name the same cache."""
    url = settings.cache or settings.env.get(CACHE, "")
    if settings.cache_volume:
        url = url or "/cache"
        if "://" in url:
            raise ConfigError(
                f"{url} is not a folder for the volume {settings.cache_volume}",
                where=f"{where} cache",
                fix='leave one of the two out, or write a folder: "/cache"',
            )
    env = {**settings.env, CACHE: url} if url else settings.env
    return msgspec.structs.replace(settings, cache=url, env=env)


def is_plain_cron(text: str) -> bool:
    """Whether every target reads a cron expression alike: five fields, none of the extensions."""
    from cronsim import CronSim, CronSimError

    fields = text.split()
    if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(_NAME.sub("1", one)) for one in fields):
        return False
    try:
        next(CronSim(text, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        return False
    return True


def _check_cron(text: str, where: str) -> None:
    if not is_plain_cron(text):
        raise ConfigError(
            f'"{text}" is not a cron expression that every system reads',
            where=where,
            fix='write five fields: minute hour day month weekday, such as "30 4 * * *"',
        )
