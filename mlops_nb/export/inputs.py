"""The parameters that can be given when an exported pipeline is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import ConfigError, ParameterError, nearest
from mlops_nb.export.naming import ENV, env_names, title
from mlops_nb.export.secrecy import looks_doubtful, looks_secret
from mlops_nb.export.settings import ExportSettings, read_settings
from mlops_nb.model import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.model import Json, Pipeline

__all__ = ["Input", "given_parameters", "read_inputs"]


class Input(Record, frozen=True, kw_only=True):
    """A parameter that can be given when a run is started."""

    name: str
    id: str
    """The name made safe, with underscores."""
    env: str
    """The environment variable that carries it; empty or unset leaves the pipeline's own value."""
    type: str = "str"
    default: str = ""
    """The pipeline's own value as text; empty where it is none, long, secret or differs by task."""
    help: str = ""

    @property
    def description(self) -> str:
        """One line for the form that asks for it."""
        kept = f"{self.default}" if self.default else "the pipeline's own value"
        note = f": {self.help}" if self.help else ""
        return title(f"{self.name} ({self.type}){note}; empty keeps {kept}", limit=200)


def read_inputs(pipeline: Pipeline, settings: ExportSettings) -> tuple[Input, ...]:
    """Return the parameters that can be given when a run is started, sorted by name.

    Raises
    ------
    ConfigError
        The settings name a parameter that no task has.
    """
    types: dict[str, str] = {}
    helps: dict[str, str] = {}
    values: dict[str, set[str]] = {}
    texts: set[str] = set()
    for task in pipeline.tasks:
        declared = {one.name: one for one in task.declared}
        for name in {**task.params, **declared}:
            known = declared.get(name)
            value = task.params[name] if name in task.params else declared[name].default
            types.setdefault(name, known.type if known else type(value).__name__)
            if known and known.help:
                helps.setdefault(name, known.help)
            values.setdefault(name, set()).add(_shown(name, value))
            kind = known.type if known and value is None else type(value).__name__
            if kind not in ("int", "float", "bool"):
                texts.add(name)
    wanted = sorted(values) if settings.parameters is None else list(settings.parameters)
    for name in wanted:
        if name not in values:
            raise ConfigError(
                f'no task has a parameter "{name}"',
                where="[tool.mlops-nb.export] parameters",
                fix=nearest(name, values),
            )
    wanted = [name for name in wanted if not looks_secret(name, number=name not in texts)]
    envs = env_names(wanted)
    return tuple(
        Input(
            name=name,
            id=envs[name].removeprefix(ENV).lower(),
            env=envs[name],
            type=title(types[name], limit=40),
            default=values[name].copy().pop() if len(values[name]) == 1 else "",
            help=title(helps[name], limit=80) if name in helps else "",
        )
        for name in sorted(wanted)
    )


def given_parameters(
    pipeline: Pipeline, table: Mapping[str, Json], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the parameters that the environment gives, by the names that the pipeline has.

    Parameters
    ----------
    pipeline
        As loaded.
    table
        ``[tool.mlops-nb.export]``.
    environment
        Variables; those of parameters begin with ``PARAM_``, and an empty one gives nothing.

    Raises
    ------
    ParameterError
        A variable with that beginning belongs to no parameter: it would be ignored.
    """
    names = {one.env: one.name for one in read_inputs(pipeline, read_settings(table))}
    given = {key: text for key, text in environment.items() if key.startswith(ENV) and text}
    for key in given:
        if key not in names:
            raise ParameterError(
                f"{key} is set, and no parameter that can be given is called so",
                where="the environment",
                fix=f"{nearest(key, names)}; an older export is renewed by: mlops-nb export".lstrip(
                    "; "
                ),
            )
    return {names[key]: text for key, text in given.items()}


def _shown(name: str, value: Json) -> str:
    """Return a value as text where it is short, plain and in no way like a secret."""
    if not isinstance(value, (bool, int, float, str)):
        return ""
    text = str(value)
    doubtful = isinstance(value, str) and looks_doubtful(name, text)
    return "" if doubtful or len(text) > 60 or not text.isprintable() else text
