"""What a pipeline is made of, and what a plan says of it."""

from __future__ import annotations

from enum import Enum

from mlops_nb.model.base import Json, Record

__all__ = [
    "Action",
    "Fingerprint",
    "Parameter",
    "Pipeline",
    "Plan",
    "PlanItem",
    "Product",
    "Reason",
    "Task",
    "TaskKind",
    "TaskPolicy",
]


class TaskKind(Enum):
    """How a task is executed."""

    NOTEBOOK = "notebook"
    """Anything Ploomber runs as a notebook: .ipynb, and text formats such as percent scripts."""
    SCRIPT = "script"
    FUNCTION = "function"
    SQL = "sql"
    SHELL = "shell"
    OTHER = "other"


class Parameter(Record, frozen=True, kw_only=True):
    """One parameter that a notebook declares in its ``parameters`` cell."""

    name: str
    type: str = "Any"
    """The annotation, or the type of the default: ``int``, ``str | None``, ``list[int]`` ..."""
    default: Json = None
    """The default as a JSON value; ``None`` also where it is not a literal (see `literal`)."""
    literal: bool = True
    """False where the default is an expression that cannot be known without running it."""
    help: str = ""
    """The comment that stands on the assignment's line."""


class Product(Record, frozen=True, kw_only=True):
    """One thing a task makes."""

    path: str
    """POSIX path relative to the project root (absolute where it lies outside), or a relation's name."""
    key: str = ""
    """The name under ``product:`` in the specification; empty where there is just one."""
    is_file: bool = True
    """False for relations in a database and other products without a path."""
    is_notebook: bool = False
    """True for the executed notebook (or its report) of a notebook task."""
    exporter: str = ""
    """For `is_notebook`: nbconvert's exporter (``html``, ``markdown``); ``ipynb`` for none."""


class TaskPolicy(Record, frozen=True, kw_only=True):
    """What the project says about running one task, beside Ploomber's specification."""

    retries: int = 0
    """Further attempts after a failure."""
    backoff: float = 1.0
    """Seconds before the first retry; doubled for each further one."""
    timeout: float | None = None
    """Seconds a whole attempt may take."""
    cell_timeout: float | None = None
    """Seconds one cell may take."""
    cpu: float = 1.0
    """Cores the task keeps busy."""
    memory_mb: int = 0
    """MiB the task needs; 0 where it does not matter."""
    cold: bool = False
    """Always start this task's kernel afresh."""
    checkpoint: bool = False
    """Keep the state before a failing cell, so that a later run can go on there."""
    tags: tuple[str, ...] = ()


class Task(Record, frozen=True, kw_only=True):
    """One node of the pipeline."""

    name: str
    kind: TaskKind
    source: str
    """POSIX path relative to the project root, or a function's dotted path."""
    products: tuple[Product, ...] = ()
    upstream: tuple[str, ...] = ()
    groups: dict[str, str] = {}
    """For upstream tasks that were named by a pattern: the pattern by the task's name; their
    products are handed on as ``upstream[pattern][task]``."""
    params: dict[str, Json] = {}
    """Parameters from the specification, placeholders resolved; without ``upstream`` and ``product``."""
    declared: tuple[Parameter, ...] = ()
    """What the notebook's parameters cell declares, without ``upstream`` and ``product``."""
    has_parameters: bool = True
    """False for a notebook without a cell tagged ``parameters``."""
    inputs: tuple[str, ...] = ()
    """Files outside the pipeline that the task reads; POSIX paths relative to the project root."""
    kernel: str = ""
    """The kernelspec a notebook asks for; empty for the default of its language."""
    language: str = "python"
    cwd: str = ""
    """Folder the task runs in, relative to the project root; empty for the root itself."""
    export: dict[str, Json] = {}
    """Keyword arguments for nbconvert's export."""
    group: str = ""
    """The grid this task belongs to; empty where it stands alone."""
    hooks: tuple[str, ...] = ()
    """Dotted paths of Ploomber hooks (``on_render``, ``on_finish``, ``on_failure``) as ``when:path``."""
    serialized: bool = False
    """True where Ploomber's serializer and unserializer handle the products."""
    spec: dict[str, str] = {}
    """Further keys of the specification that its result depends on, as text."""
    policy: TaskPolicy = TaskPolicy()


class Pipeline(Record, frozen=True, kw_only=True):
    """A loaded pipeline; tasks stand in an order in which they can run."""

    name: str
    root: str
    """Absolute path of the project."""
    spec: str
    """The specification's file name relative to the root."""
    tasks: tuple[Task, ...] = ()
    hooks: tuple[str, ...] = ()
    """Hooks of the whole pipeline, as ``when:path``."""
    native_executor: str = ""
    """The executor that the specification names, for display."""

    def __getitem__(self, name: str) -> Task:
        for task in self.tasks:
            if task.name == name:
                return task
        raise KeyError(name)

    def names(self) -> tuple[str, ...]:
        """Return the task names in order."""
        return tuple(task.name for task in self.tasks)

    def descendants(self, names: set[str]) -> set[str]:
        """Return the tasks below the given ones, without the given ones."""
        below: set[str] = set()
        for task in self.tasks:
            if any(up in names or up in below for up in task.upstream):
                below.add(task.name)
        return below - names

    def ancestors(self, names: set[str]) -> set[str]:
        """Return the tasks above the given ones, without the given ones."""
        above: set[str] = set()
        for task in reversed(self.tasks):
            if task.name in names or task.name in above:
                above.update(task.upstream)
        return above - names


class Fingerprint(Record, frozen=True, kw_only=True):
    """What a task's result depends on, by content."""

    digest: str
    """SHA-256 over all the parts."""
    parts: dict[str, str] = {}
    """Digest or plain value of each part, keyed ``source``, ``param:NAME``, ``module:PATH``,
    ``input:PATH``, ``upstream:TASK``, ``env:PACKAGE``, ``spec:KEY``."""


class Reason(Record, frozen=True, kw_only=True):
    """Why a task runs, is skipped or is restored."""

    kind: str
    """``new``, ``source``, ``param``, ``module``, ``input``, ``upstream``, ``env``, ``product``, ``edited``, ``forced``,
    ``spec``, ``unchanged``, ``cached``, ``unselected``."""
    text: str
    """For people: ``parameter max_depth 6 → 8``."""
    subject: str = ""
    """What changed: the parameter, path, package or upstream task."""


class Action(Enum):
    """What a run will do with a task."""

    RUN = "run"
    SKIP = "skip"
    RESTORE = "restore"


class PlanItem(Record, frozen=True, kw_only=True):
    """What a run will do with one task, and why."""

    task: str
    action: Action
    reasons: tuple[Reason, ...] = ()
    fingerprint: Fingerprint | None = None
    """``None`` where it depends on products that are yet to be made."""

    @property
    def why(self) -> str:
        """The reasons as one line of text."""
        return ", ".join(reason.text for reason in self.reasons)


class Plan(Record, frozen=True, kw_only=True):
    """What a run will do, in order."""

    items: tuple[PlanItem, ...] = ()

    def __getitem__(self, name: str) -> PlanItem:
        for item in self.items:
            if item.task == name:
                return item
        raise KeyError(name)

    def of(self, action: Action) -> tuple[str, ...]:
        """Return the names of the tasks that the action is planned for."""
        return tuple(item.task for item in self.items if item.action is action)
