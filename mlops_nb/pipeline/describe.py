"""Turns Ploomber's tasks into records; knows their attributes, imports nothing of Ploomber."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_nb.model import Product, Task, TaskKind, to_builtins
from mlops_nb.notebooks.types import json_of

__all__ = ["describe", "executor_of", "hooks_of", "relative"]

_KINDS = {
    "NotebookRunner": TaskKind.NOTEBOOK,
    "ScriptRunner": TaskKind.SCRIPT,
    "PythonCallable": TaskKind.FUNCTION,
    "SQLScript": TaskKind.SQL,
    "SQLDump": TaskKind.SQL,
    "SQLTransfer": TaskKind.SQL,
    "SQLUpload": TaskKind.SQL,
    "PostgresCopyFrom": TaskKind.SQL,
    "ShellScript": TaskKind.SHELL,
}

_NO_PART_OF_RESULT = frozenset(
    ("source", "product", "params", "name", "upstream", "grid", "check_if_kernel_installed")
)
"""Keys of a task that its fingerprint covers otherwise, or that do not change its result."""

_HOOKS = ("on_render", "on_finish", "on_failure")


def relative(path: Path | str, root: Path) -> str:
    """Return a path relative to the project, or absolute where it lies outside; POSIX style."""
    path = Path(path)
    absolute = path if path.is_absolute() else root / path
    try:
        return absolute.relative_to(root).as_posix()
    except ValueError:
        return absolute.as_posix()


def describe(dag: Any, task: Any, order: list[str], root: Path) -> Task:
    """Return one rendered task as a record.

    Parameters
    ----------
    dag
        The DAG with its attributes ``specs`` and ``document``, as `open_dag` gives it.
    task
        One of its tasks.
    order
        All task names in an order in which they can run.
    root
        The project.
    """
    kind = _KINDS.get(type(task).__name__, TaskKind.OTHER)
    entry = dag.specs.get(task.name, {})
    upstream = sorted(dag._get_upstream(task.name), key=order.index)
    groups = {
        up: data["group_name"]
        for up in upstream
        if (data := dag._G.get_edge_data(up, task.name)) and data.get("group_name")
    }
    params = task.params.to_json_serializable(params_only=True)
    return Task(
        name=task.name,
        kind=kind,
        source=_source_of(task, kind, root),
        products=_products_of(task, kind, root),
        upstream=tuple(upstream),
        groups=groups,
        params={
            name: json_of(value)
            for name, value in params.items()
            if kind is TaskKind.NOTEBOOK or _is_plain(value)
        },
        inputs=_resources_of(params, root),
        kernel=(getattr(task, "kernelspec_name", None) or "") if kind is TaskKind.NOTEBOOK else "",
        language=_language_of(task, kind),
        cwd=_folder_of(task, kind, root),
        export=json_of(getattr(task, "nbconvert_export_kwargs", None) or {}),
        group=str(entry["name"]).partition("[[")[0].rstrip("-_=. ") if "grid" in entry else "",
        hooks=hooks_of(task),
        serialized=bool(getattr(task, "_serializer", None) or getattr(task, "_unserializer", None)),
        spec=_spec_of(dag, task, kind, entry, root),
    )


def _source_of(task: Any, kind: TaskKind, root: Path) -> str:
    if kind is TaskKind.FUNCTION:
        function = task.source.primitive
        return f"{function.__module__}.{function.__qualname__}"
    where = getattr(task.source, "loc", None)
    return relative(Path(str(where)), root) if where else ""


def _products_of(task: Any, kind: TaskKind, root: Path) -> tuple[Product, ...]:
    product = task.product
    if not hasattr(product, "products"):
        named = {"": product}
    elif isinstance(product.products.products, dict):
        named = {str(key): value for key, value in product.products.products.items()}
    else:
        named = {str(index): value for index, value in enumerate(product.products.products)}
    keys = getattr(task, "nb_product_key", "nb")
    keys = [keys] if isinstance(keys, str) else list(keys or ())
    made = []
    for key, value in named.items():
        is_file = hasattr(value, "__fspath__")
        is_notebook = kind is TaskKind.NOTEBOOK and (key == "" or key in keys)
        made.append(
            Product(
                path=relative(str(value), root) if is_file else str(value),
                key=key,
                is_file=is_file,
                is_notebook=is_notebook,
                exporter=_exporter_of(task, key, str(value)) if is_notebook else "",
            )
        )
    return tuple(made)


def _exporter_of(task: Any, key: str, path: str) -> str:
    name = getattr(task, "nbconvert_exporter_name", None)
    if isinstance(name, dict):
        name = name.get(key)
    name = name or Path(path).suffix[1:]
    return {"md": "markdown"}.get(name, name)


def _language_of(task: Any, kind: TaskKind) -> str:
    if kind in (TaskKind.NOTEBOOK, TaskKind.SCRIPT):
        return str(task.source.language or "python").lower()
    return {TaskKind.SQL: "sql", TaskKind.SHELL: "shell"}.get(kind, "python")


def _folder_of(task: Any, kind: TaskKind, root: Path) -> str:
    if kind is TaskKind.NOTEBOOK and (given := task.executor_params.get("cwd")):
        return relative(given, root)
    if kind is TaskKind.SCRIPT or getattr(task, "local_execution", False):
        return relative(Path(task.source.loc).parent, root).removeprefix(".")
    return ""


def _resources_of(params: Mapping[str, Any], root: Path) -> tuple[str, ...]:
    resources = params.get("resources_") or {}
    return tuple(relative(str(path), root) for path in resources.values())


def hooks_of(owner: Any) -> tuple[str, ...]:
    """Return the hooks of a task or of the whole DAG as ``when:dotted.path``."""
    return tuple(
        f"{when}:{_dotted(hook)}" for when in _HOOKS if (hook := getattr(owner, when)) is not None
    )


def _dotted(callable_: Any) -> str:
    """Return the dotted path of a function, also of one that Ploomber has wrapped."""
    spec = getattr(callable_, "_spec", None)
    if spec is not None:
        return str(spec.dotted_path)
    return f"{callable_.__module__}.{getattr(callable_, '__qualname__', type(callable_).__name__)}"


def executor_of(dag: Any) -> str:
    """Return the name of the DAG's executor."""
    return f"{type(dag.executor).__module__}.{type(dag.executor).__name__}".rpartition(".")[2]


def _spec_of(
    dag: Any, task: Any, kind: TaskKind, entry: Mapping[str, Any], root: Path
) -> dict[str, str]:
    """Return what the result depends on beside source, parameters and upstream, as text."""
    kept = {
        key: _text(value, root)
        for key, value in entry.items()
        if key not in _NO_PART_OF_RESULT and key not in _HOOKS and value is not None
    }
    kept["class"] = type(task).__name__
    raw = entry.get("params") or {}
    for name, value in task.params.to_json_serializable(params_only=True).items():
        if not _is_plain(value):
            # An object made by a dotted path: the path stands for it.
            kept[f"params.{name}"] = _text(raw.get(name, type(value).__name__), root)
    if client := _client_of_files(task):
        kept["product_client"] = client
    for hook in hooks_of(task):
        kept[hook.partition(":")[0]] = hook.partition(":")[2]
    if kind is TaskKind.FUNCTION:
        for name in ("serializer", "unserializer"):
            if (used := getattr(task, f"_{name}", None)) is not None:
                kept[name] = _dotted(used)
    if kind in (TaskKind.SQL, TaskKind.SHELL):
        # With its templates and macros in place, and without the machine's own paths.
        kept["rendered"] = str(task.source).replace(str(root), ".")
        clients = dag.document.data.get("clients") or {}
        if "client" not in kept and type(task).__name__ in clients:
            kept["client"] = _text(clients[type(task).__name__], root)
    return dict(sorted(kept.items()))


def _is_plain(value: Any) -> bool:
    """Whether JSON, with dates as text, can say what a value is."""
    if isinstance(value, Mapping):
        return all(_is_plain(item) for item in (*value.keys(), *value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_plain(item) for item in value)
    kinds = str | int | float | datetime.date | datetime.time
    return value is None or isinstance(value, kinds)


def _client_of_files(task: Any) -> str:
    """Return the client that uploads a task's files; empty for none."""
    products = task.product.products if hasattr(task.product, "products") else (task.product,)
    for product in products:
        client = getattr(product, "client", None) if hasattr(product, "__fspath__") else None
        if client is not None:
            return f"{type(client).__module__}.{type(client).__name__}"
    return ""


def _text(value: Any, root: Path) -> str:
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, str):
        return value
    return json.dumps(to_builtins(json_of(value)), sort_keys=True).replace(str(root), ".")
