"""What every target is written from: the pipeline as jobs, with its inputs and commands.

Each job does the same three things wherever it runs: it unpacks the bundles of all the jobs above
it, runs its tasks with ``mlops-nb run`` (which finds everything above up to date, by content), and
packs what its tasks made: products, Ploomber's hidden sidecars and the state that the plan reads.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from mlops_nb.errors import PipelineError
from mlops_nb.export.grouping import ancestors, group_tasks, limit_ancestors
from mlops_nb.export.handing import hand_on
from mlops_nb.export.inputs import Input, read_inputs
from mlops_nb.export.naming import label, safe_names, title
from mlops_nb.export.quoting import header, shell_words
from mlops_nb.export.settings import ExportSettings, read_settings
from mlops_nb.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_nb.model import Json, Pipeline, Task, TaskPolicy

__all__ = [
    "ABOVE",
    "BUNDLES",
    "Job",
    "Work",
    "plan_work",
]

BUNDLES = ".mlops/carry"
"""Folder of the bundles that jobs hand to one another, relative to the project root."""
ABOVE = f"{BUNDLES}/above"
"""Folder for the bundles of the jobs above, where a target can put them there."""
_SETUP_MINUTES = 10


class Job(Record, frozen=True, kw_only=True):
    """One job: one task, or a group of them."""

    id: str
    """Lower-case letters, digits and hyphens, at most 40, beginning with a letter."""
    title: str
    tasks: tuple[str, ...]
    needs: tuple[str, ...] = ()
    """Ids of the jobs that it comes directly after."""
    ancestors: tuple[str, ...] = ()
    """Ids of all the jobs above it, in an order in which they run."""
    given: tuple[str, ...] = ()
    """Ids of those whose bundles it is given: all of them, where the target sets no bound."""
    passed: tuple[str, ...] = ()
    """Ids of those that pass on to it what they were given themselves."""
    passes: bool = False
    """Whether it passes on what it is given, in a second bundle."""
    minutes: int = 60
    cpu: float = 1.0
    memory_mb: int = 0

    @property
    def bundle(self) -> str:
        """The file that carries what the job makes."""
        return f"{BUNDLES}/{self.id}.tar.gz"

    @property
    def passed_bundle(self) -> str:
        """The file that carries what all jobs above it have made."""
        return f"{BUNDLES}/passed/{self.id}.tar.gz"


class Work:
    """A pipeline made ready for export; see `plan_work`."""

    def __init__(self, pipeline: Pipeline, settings: ExportSettings, jobs: tuple[Job, ...]) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.jobs = jobs

    @cached_property
    def slug(self) -> str:
        """The project's name made safe."""
        return label(self.pipeline.name, limit=30, fallback="project")

    @cached_property
    def title(self) -> str:
        """The project's name for people."""
        return title(self.pipeline.name)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The parameters that can be given, sorted by name."""
        return read_inputs(self.pipeline, self.settings)

    def header(self, target: str, *, mark: str = "#") -> str:
        """Return the lines that a file of a target begins with."""
        return header(target, self.pipeline.spec, mark=mark)

    def stage_title(self, job: Job) -> str:
        """Return a job's title, with its id where another job has the same title."""
        same = sum(other.title == job.title for other in self.jobs)
        return job.title if same == 1 else f"{job.title} ({job.id})"

    def job(self, name: str) -> Job:
        """Return a job by its id."""
        return self._by_id[name]

    @cached_property
    def _by_id(self) -> dict[str, Job]:
        return {job.id: job for job in self.jobs}

    # --- commands -----------------------------------------------------------------------------
    def unpack(self, *files: str, optional: bool = False) -> str:
        """Return the command that unpacks bundles, or all those in a folder."""
        words = ["python", "-P", "-m", "mlops_nb.export.carry", "unpack"]
        words += ["--if-there"] if optional else []
        return shell_words([*words, *files])

    def bundles(self, ids: Iterable[str]) -> list[str]:
        """Return the bundles of jobs."""
        return [self.job(name).bundle for name in ids]

    def pack(self, job: Job) -> str:
        """Return the commands that pack what a job has made, and what it passes on."""
        words = ["python", "-P", "-m", "mlops_nb.export.carry", "pack"]
        bundles = [["--to", job.bundle]]
        if job.passes:
            bundles.append(["--above", "--to", job.passed_bundle])
        return "\n".join(shell_words([*words, *to, *_names(job.tasks)]) for to in bundles)

    def run(self, job: Job | None = None) -> str:
        """Return the command that runs a job's tasks, or the whole pipeline.

        Given parameters are read from the environment: no name and no value of one is ever a part
        of a command.
        """
        words = ["mlops-nb", "run", *(["--params-from-env"] if self.inputs else [])]
        return shell_words([*words, *(_names(job.tasks) if job else [])])

    def key(self, job: Job) -> str:
        """Return the command that prints a digest of all that a job's results depend on."""
        words = ["mlops-nb", "plan", "--key", *(["--params-from-env"] if self.inputs else [])]
        return shell_words([*words, *_names(job.tasks)])

    def summary(self, job: Job, to: str, metrics: str = "", junit: str = "") -> str:
        """Return the command that writes what happened: Markdown, OpenMetrics text, JUnit XML."""
        words = ["python", "-P", "-m", "mlops_nb.api.summary", "--title", job.title, "--to", to]
        words += ["--metrics", metrics] if metrics else []
        words += ["--junit", junit] if junit else []
        return shell_words(words)

    def script(self, job: Job) -> str:
        """Return the whole of a job as POSIX shell: unpack, run, pack."""
        parts = [self.unpack(*self.bundles(job.ancestors))] if job.ancestors else []
        return "\n".join([*parts, self.run(job), self.pack(job)])


def _names(tasks: tuple[str, ...]) -> list[str]:
    return ["--", *tasks] if any(name.startswith("-") for name in tasks) else list(tasks)


def plan_work(
    pipeline: Pipeline,
    table: Mapping[str, Json],
    *,
    most_ancestors: int | None = None,
    pass_on: bool = False,
    group: str | None = None,
) -> Work:
    """Return a pipeline as jobs.

    Parameters
    ----------
    pipeline
        As loaded; its tasks stand in an order in which they can run.
    table
        ``[tool.mlops-nb.export]``.
    most_ancestors
        How many jobs above it a job may name; coarser groups are made where there are more.
    pass_on
        Keep the number of bundles that a job is given within bounds: some jobs pass on theirs.
    group
        A grouping that the target asks for, instead of the settings'.

    Raises
    ------
    PipelineError
        The pipeline has no task, a name holds a NUL, or a product lies outside the project.
    ConfigError
        A setting is wrong.
    """
    settings = read_settings(table)
    if not pipeline.tasks:
        raise PipelineError("has no tasks", where=pipeline.spec, fix="add one before exporting")
    for task in pipeline.tasks:
        _check(task, pipeline)
    groups = group_tasks(
        pipeline, group or settings.group, settings.durations, settings.group_seconds
    )
    if most_ancestors is not None:
        groups = limit_ancestors(pipeline, groups, most_ancestors)
    return Work(pipeline, settings, _jobs(pipeline, settings, groups, pass_on))


def _check(task: Task, pipeline: Pipeline) -> None:
    if "\0" in task.name or any("\0" in name for name in task.params):
        raise PipelineError(
            f"task {task.name!r} has a name that holds a NUL character", where=pipeline.spec
        )
    for product in task.products:
        parts = product.path.replace("\\", "/").split("/")
        if product.is_file and (product.path.startswith("/") or ".." in parts):
            raise PipelineError(
                f'task "{task.name}" makes {product.path}, outside the project',
                where=pipeline.spec,
                fix="give it a path inside the project: only that travels between jobs",
            )


def _jobs(
    pipeline: Pipeline,
    settings: ExportSettings,
    groups: tuple[tuple[str, ...], ...],
    pass_on: bool,
) -> tuple[Job, ...]:
    tasks = {task.name: task for task in pipeline.tasks}
    single = all(len(group) == 1 for group in groups)
    names = [
        group[0] if len(group) == 1 else f"{group[0]}-and-{len(group) - 1}" for group in groups
    ]
    if not single and settings.group == "by-level":
        names = [f"level-{number + 1}" for number in range(len(groups))]
    # Names of groups may meet one another; what the groups hold may not.
    keys = [
        name if names.count(name) == 1 else "\n".join(group)
        for name, group in zip(names, groups, strict=True)
    ]
    ids = safe_names(keys)
    home = {name: number for number, group in enumerate(groups) for name in group}
    above = ancestors(pipeline, groups)
    own, passed = hand_on(above) if pass_on else ([sorted(one) for one in above], [[]] * len(above))
    passing = {number for numbers in passed for number in numbers}
    jobs = []
    for number, group in enumerate(groups):
        direct = sorted({home[up] for name in group for up in tasks[name].upstream} - {number})
        members = [tasks[name] for name in group]
        jobs.append(
            Job(
                id=ids[keys[number]],
                title=title(", ".join(title(name, limit=40) for name in group)),
                tasks=group,
                needs=tuple(ids[keys[other]] for other in direct),
                ancestors=tuple(ids[keys[other]] for other in sorted(above[number])),
                given=tuple(ids[keys[other]] for other in own[number]),
                passed=tuple(ids[keys[other]] for other in passed[number]),
                passes=number in passing,
                minutes=_minutes([task.policy for task in members], settings),
                cpu=max(task.policy.cpu for task in members),
                memory_mb=max(task.policy.memory_mb for task in members),
            )
        )
    return tuple(jobs)


def _minutes(policies: list[TaskPolicy], settings: ExportSettings) -> int:
    """Return a job's limit: what its tasks may take with their retries, and time to prepare.

    Tasks without a limit of their own share the settings' one.
    """
    seconds = 0.0
    for policy in policies:
        if policy.timeout:
            pauses: float = policy.backoff * (2**policy.retries - 1)
            seconds += policy.timeout * (policy.retries + 1) + pauses
    own = math.ceil(seconds / 60) + _SETUP_MINUTES if seconds else 0
    return own + (0 if all(policy.timeout for policy in policies) else settings.timeout_minutes)
