"""Finds the project and reads its settings into frozen records.

Resolution order, the later one wins: the defaults written here; ``[tool.mlops-nb]`` in the
project's ``pyproject.toml``; ``MLOPS_NB_*`` in the environment. A project without any settings of
ours is whole: a bare Ploomber project runs unchanged.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import msgspec

from mlops_nb.errors import ConfigError, ProjectError, nearest
from mlops_nb.model.tasks import TaskPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Project",
    "Settings",
    "TaskSettings",
    "find_project",
    "telemetry_off",
    "telemetry_variables",
]

S = TypeVar("S", bound=msgspec.Struct)

_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]+)`(?: - at `\$(?P<path>[^`]*)`)?")
_TELEMETRY = {
    "PLOOMBER_STATS_ENABLED": "false",
    "PLOOMBER_VERSION_CHECK_DISABLED": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WHYLOGS_NO_ANALYTICS": "1",
    "WANDB_ERROR_REPORTING": "false",
    "DO_NOT_TRACK": "true",
}


def telemetry_off() -> None:
    """Turn off the telemetry of every dependency; call it before any of them is imported."""
    os.environ.update(_TELEMETRY)


def telemetry_variables() -> dict[str, str]:
    """Return the variables that turn telemetry off, for the environment of other processes."""
    return dict(_TELEMETRY)


class TaskSettings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """``[tool.mlops-nb.tasks.<name>]``; a name may be a pattern such as ``train-*``."""

    retries: int = 0
    backoff: float = 1.0
    timeout: float | None = None
    cell_timeout: float | None = None
    cpu: float = 1.0
    memory_mb: int = 0
    cold: bool = False
    checkpoint: bool | None = None
    """``None`` for what the project says."""
    tags: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    def policy(self) -> TaskPolicy:
        """Return the part that the scheduler reads."""
        return TaskPolicy(
            retries=self.retries,
            backoff=self.backoff,
            timeout=self.timeout,
            cell_timeout=self.cell_timeout,
            cpu=self.cpu,
            memory_mb=self.memory_mb,
            cold=self.cold,
            checkpoint=bool(self.checkpoint),
            tags=self.tags,
        )


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """``[tool.mlops-nb]``; further tables belong to the stages, which read them by `Project.section`."""

    name: str = ""
    """The project's name; the folder's by default."""
    jobs: int = 0
    """Tasks at a time; 0 for the number of cores."""
    executor: str = "local"
    cold: bool = False
    """Never use warm kernels."""
    timeout: float | None = None
    """Seconds a whole run may take."""
    tracking: str = "mlflow"
    """``mlflow``, another tracker's name, or ``none``."""
    tracking_uri: str = ""
    """MLflow's; ``.mlops/mlflow.db`` by default."""
    experiment: str = ""
    """The project's name by default."""
    ledger: str = ""
    """SQLAlchemy URL; ``.mlops/ledger.db`` by default."""
    schedule_store: str = ""
    """SQLAlchemy URL of the schedules; ``.mlops/schedules.db`` by default."""
    cache: str = ""
    """Folder, relative to the project, or fsspec URL of the product cache; ``.mlops/cache`` by
    default."""
    cache_size_mb: int = 5_000
    """What a folder may take, MiB: a run that adds to it drops what was not used for longest. Behind
    a URL only ``mlops-nb cache gc`` does that."""
    reports: Literal["all", "failures"] = "all"
    """Which tasks get an HTML report when a run ends; ``mlops-nb runs report`` makes the others."""
    early_cutoff: bool = False
    """Skip what lies below a task that ran and whose products came out the same."""
    max_output_mb: float = 5.0
    """Text kept in an executed notebook per cell, MiB; the rest goes to a file beside it."""
    checkpoint: bool = False
    """Keep a notebook's state before the cell that fails; a task's own setting wins."""
    checkpoint_mb: float = 2_000.0
    """MiB that such a state may take on disk."""
    tasks: dict[str, TaskSettings] = {}


_SECTIONS = (
    "gates",
    "registry",
    "monitoring",
    "alerts",
    "schedules",
    "scheduler",
    "demo",
    "export",
    "features",
    "serving",
)


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project on disk with its settings."""

    root: Path
    spec: Path
    """The pipeline's specification, absolute."""
    settings: Settings = Settings()
    tables: dict[str, Any] = {}
    """The tables of ``[tool.mlops-nb]`` that belong to stages."""
    shares: Path | None = None
    """The state folder of the project that a run with a root of its own belongs to."""

    @property
    def name(self) -> str:
        """The project's name."""
        return self.settings.name or self.root.name

    @property
    def state(self) -> Path:
        """Where everything that is not source lives; not made before something is written."""
        return self.shares or self.root / ".mlops"

    @property
    def products_state(self) -> Path:
        """Where the lock and what is known of the products in `root` lie."""
        return self.state if self.shares is None else self.root.parent

    @property
    def tracking_uri(self) -> str:
        """MLflow's URI, always absolute: MLflow's own default depends on the current folder."""
        return self.settings.tracking_uri or f"sqlite:///{self.state / 'mlflow.db'}"

    @property
    def ledger_url(self) -> str:
        """The ledger's SQLAlchemy URL."""
        return self.settings.ledger or f"sqlite:///{self.state / 'ledger.db'}"

    @property
    def schedules_url(self) -> str:
        """The SQLAlchemy URL of the schedules."""
        return self.settings.schedule_store or f"sqlite:///{self.state / 'schedules.db'}"

    def with_stores_of(self, other: Project) -> Project:
        """Return this project, other sources of another, under that one's name and with its stores."""
        settings = msgspec.structs.replace(
            self.settings,
            name=other.name,
            tracking_uri=other.tracking_uri,
            ledger=other.ledger_url,
            cache=other.cache_url,
        )
        return msgspec.structs.replace(self, settings=settings)

    @property
    def cache_url(self) -> str:
        """The product cache's folder or URL."""
        return self.settings.cache or str(self.state / "cache")

    def task_settings(self, task: str) -> TaskSettings:
        """Return a task's settings: an exact name first, then the first pattern that matches."""
        from fnmatch import fnmatchcase

        if task in self.settings.tasks:
            return self.settings.tasks[task]
        for pattern, settings in self.settings.tasks.items():
            if fnmatchcase(task, pattern):
                return settings
        return TaskSettings()

    def section(self, name: str, kind: type[S]) -> S:
        """Return a stage's table as that stage's own record.

        Raises
        ------
        ConfigError
            A key is unknown or a value has the wrong type.
        """
        return _convert(self.tables.get(name, {}), kind, f"[tool.mlops-nb.{name}]")


def find_project(
    start: Path | str | None = None, *, env: Mapping[str, str] | None = None
) -> Project:
    """Find the project that a folder lies in, by walking up to a ``pipeline.yaml``.

    Parameters
    ----------
    start
        A folder, or a specification's path; the current folder by default. ``ENTRY_POINT`` names
        another specification, as it does for Ploomber.
    env
        The environment to read; the process's by default.

    Raises
    ------
    ProjectError
        No specification stands in the folder or above it.
    ConfigError
        ``pyproject.toml`` is broken, or a setting is unknown or ill-typed.
    """
    env = os.environ if env is None else env
    here = Path(start).resolve() if start is not None else Path.cwd()
    if here.is_file():
        spec, root = here, here.parent
    else:
        wanted = env.get("ENTRY_POINT", "pipeline.yaml")
        for root in (here, *here.parents):
            spec = root / wanted
            if spec.is_file():
                break
        else:
            raise ProjectError(
                f"no {wanted} here or in any folder above",
                where=str(here),
                fix='start a project with "mlops-nb init", or name one with --project',
            )
    table = _read_table(root / "pyproject.toml")
    tables = {key: table.pop(key) for key in _SECTIONS if key in table}
    table.update(_from_environment(env))
    known = [field.encode_name for field in msgspec.structs.fields(Settings)]
    for key in table:
        if key not in known:
            raise ConfigError(
                f'"{key}" is not a setting',
                where=f"{root / 'pyproject.toml'}, [tool.mlops-nb]",
                fix=nearest(key, [*known, *_SECTIONS]),
            )
    settings = _convert(table, Settings, f"{root / 'pyproject.toml'}, [tool.mlops-nb]")
    if settings.cache and "://" not in settings.cache:
        cache = str(root / Path(settings.cache).expanduser())
        settings = msgspec.structs.replace(settings, cache=cache)
    return Project(root=root, spec=spec, settings=settings, tables=tables)


def _read_table(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=str(path)) from error
    try:
        table = tomllib.loads(text).get("tool", {}).get("mlops-nb", {})
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not valid TOML: {error}", where=str(path)) from error
    return dict(table)


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    """Read ``MLOPS_NB_JOBS=4`` and its like; tables cannot be given this way."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text = env.get("MLOPS_NB_" + field.name.upper())
        if text is None or field.name == "tasks":
            continue
        try:
            values[field.encode_name] = msgspec.convert(text, field.type, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigError(str(error), where=f"MLOPS_NB_{field.name.upper()}={text}") from error
    return values


def _convert(table: object, kind: type[S], where: str) -> S:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error), where=where, fix=_offer(str(error), kind)) from error


def _offer(problem: str, kind: type[msgspec.Struct]) -> str:
    """Return the nearest known name for a field that msgspec does not know; else nothing."""
    found = _UNKNOWN.search(problem)
    if found is None:
        return ""
    place: Any = kind
    for part in (found["path"] or "").split(".")[1:]:
        types = {field.encode_name: field.type for field in msgspec.structs.fields(place)}
        place = types.get(part.partition("[")[0])
        place = next(iter(get_args(place)), place)  # of a list, what it holds
        if not (isinstance(place, type) and issubclass(place, msgspec.Struct)):
            return ""
    return nearest(found["name"], (field.encode_name for field in msgspec.structs.fields(place)))
