"""Says what is wrong with a specification: one clear error for each of Ploomber's many."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import NotebookError, PipelineError, ProjectError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_sources", "check_yaml", "order_of", "translate"]


def check_yaml(path: Path) -> bool:
    """Check that a file is YAML; return whether it lists any tasks yet.

    Raises
    ------
    PipelineError
        With the line and column where it is not, or empty, or no mapping with tasks.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"cannot be read: {error}", where=str(path)) from error
    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        fix = "check indentation, colons and quotes around that place"
        if "{{" in text:
            fix = 'write placeholders in quotes: "{{name}}"; and ' + fix
        begun = error.context_mark
        context = f" ({error.context} that begins in line {begun.line + 1})" if begun else ""
        raise PipelineError(
            f"is not valid YAML: {error.problem}{context}", where=f"{path.name}{at}", fix=fix
        ) from error
    except yaml.YAMLError as error:
        raise PipelineError(f"is not valid YAML: {error}", where=path.name) from error
    if not isinstance(document, dict | list) or not document:
        raise PipelineError(
            "holds no tasks", where=path.name, fix='list them below the key "tasks"'
        )
    return not isinstance(document, dict) or bool(document.get("tasks", True))


def check_sources(entries: Any, spec: Path) -> None:
    """Check that each task's source exists and that notebooks can be read.

    Raises
    ------
    NotebookError
        A source is missing, or a notebook is corrupt.
    """
    from mlops_nb.notebooks.read import read_cells

    for entry in entries if isinstance(entries, list) else ():
        source = entry.data.get("source")
        if isinstance(source, Path) and not source.exists():
            name = entry.data.get("name") or source.stem
            siblings = [path.name for path in source.parent.glob("*") if path.is_file()]
            raise NotebookError(
                f'the source of task "{name}" does not exist: {_short(source, spec)}',
                where=spec.name,
                fix=nearest(source.name, siblings)
                or f"create it, or correct the path in {spec.name}",
            )
        kind = getattr(entry.data.get("class"), "__name__", "")
        if isinstance(source, Path) and kind in ("NotebookRunner", "ScriptRunner"):
            read_cells(source)


def order_of(upstream: Mapping[str, tuple[str, ...]], spec: Path) -> list[str]:
    """Return the tasks in an order in which they can run; ties stand as specified.

    Raises
    ------
    PipelineError
        There is a cycle; the message names its tasks.
    """
    order: list[str] = []
    state: dict[str, int] = {}
    for start in upstream:
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            name, position = stack.pop()
            if position == 0:
                if state.get(name) == 2:
                    continue
                state[name] = 1
            above = sorted(upstream.get(name, ()), key=list(upstream).index)
            if position < len(above):
                stack.append((name, position + 1))
                nxt = above[position]
                if state.get(nxt) == 1:
                    path = [item for item, _ in stack]
                    cycle = [*path[path.index(nxt) :], nxt]
                    raise PipelineError(
                        f"the tasks form a cycle: {' → '.join(reversed(cycle))}",
                        where=spec.name,
                        fix="remove one of these dependencies from the notebooks' upstream",
                    )
                if state.get(nxt) is None:
                    stack.append((nxt, 0))
            else:
                state[name] = 2
                order.append(name)
    return order


_UNKNOWN = re.compile(r"Task '(.+?)' has an upstream dependency '(.+?)', but such task")
_DUPLICATE = re.compile(r"DAG already has a task with name '(.+?)'")
_UNDECLARED = re.compile(r"(?:Undeclared value for placeholder '(.+?)')|(?:\* \{\{(.+?)\}\})")


def translate(error: Exception, spec: Path, dag: Any = None, *, task: str = "") -> ProjectError:
    """Return the error that says what went wrong while Ploomber loaded or rendered.

    Parameters
    ----------
    error
        What Ploomber raised.
    spec
        The specification.
    dag
        The DAG, where it exists, to say more.
    task
        The task that was being rendered.
    """
    if isinstance(error, ProjectError):
        return error
    chain = _chain(error)
    text = "\n".join(_message(item) for item in chain)
    for item in chain:
        kind = type(item).__name__
        if kind == "NoSuchKernel":
            return _unknown_kernel(item, text, spec)
        if kind == "DAGWithDuplicatedProducts":
            return _shared_product(item, dag, spec)
    if match := _UNKNOWN.search(text):
        names = [name.strip("' ") for name in _after(text, "Available tasks:")]
        return PipelineError(
            f'task "{match[1]}" has the upstream task "{match[2]}", which does not exist',
            where=spec.name,
            fix=nearest(match[2], [name for name in names if name != match[1]]),
        )
    if match := _DUPLICATE.search(text):
        return PipelineError(
            f'two tasks are called "{match[1]}"',
            where=spec.name,
            fix='give one of them another "name"',
        )
    if "placeholder" in text and (match := _UNDECLARED.search(text)):
        name = match[1] or match[2]
        return PipelineError(
            f'the placeholder "{{{{{name}}}}}" has no value',
            where=spec.name,
            fix=f'add "{name}: ..." to env.yaml',
        )
    where = f'{spec.name}, task "{task}"' if task else spec.name
    return PipelineError(_best(chain), where=where)


def _unknown_kernel(error: BaseException, text: str, spec: Path) -> NotebookError:
    from jupyter_client.kernelspec import KernelSpecManager

    name = str(getattr(error, "name", error))
    found = re.search(r"source '(.+?)'", text)
    known = sorted(KernelSpecManager().find_kernel_specs())
    return NotebookError(
        f'the kernel "{name}" is not installed',
        where=_short(Path(found[1]), spec) if found else spec.name,
        fix=nearest(name, known) or "install ipykernel",
    )


def _shared_product(error: BaseException, dag: Any, spec: Path) -> PipelineError:
    owners: dict[str, list[str]] = {}
    for name in dag._iter() if dag is not None else ():
        product = dag[name].product
        for one in product.products if hasattr(product, "products") else (product,):
            owners.setdefault(str(one), []).append(name)
    for path, names in owners.items():
        if len(names) > 1:
            tasks = " and ".join(f'"{name}"' for name in names)
            return PipelineError(
                f"the tasks {tasks} make the same product {_short(Path(path), spec)}",
                where=spec.name,
                fix="give each its own path",
            )
    return PipelineError(_message(error), where=spec.name)


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return chain


def _message(error: BaseException) -> str:
    text = str(getattr(error, "message", "") or error)
    text = text.partition("Need help?")[0].partition("\nIf you need help")[0]
    return text.strip()


def _best(chain: list[BaseException]) -> str:
    """Join what the chain says, from the outside in, each sentence once and without boxes."""
    said: list[str] = []
    for error in chain:
        lines = [line.strip(" -=─═│") for line in _message(error).splitlines()]
        text = " ".join(line for line in lines if line and not line.startswith(("File ", "Trace")))
        if isinstance(error, KeyError | ImportError | AttributeError | NameError | SyntaxError):
            text = f"{type(error).__name__}: {text}"
        if text and not any(text in earlier for earlier in said):
            said.append(text[:600])
    return "; ".join(said) or type(chain[0]).__name__


def _after(text: str, mark: str) -> list[str]:
    rest = text.partition(mark)[2].partition("\n")[0].rstrip(".")
    return [part for piece in rest.split(",") for part in piece.split(" and ") if part.strip()]


def _short(path: Path, spec: Path) -> str:
    try:
        return path.relative_to(spec.parent).as_posix()
    except ValueError:
        return str(path)
