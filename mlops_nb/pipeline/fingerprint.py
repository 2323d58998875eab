"""What a task's result depends on, by content.

Parts are keyed ``source``, ``param:NAME``, ``module:PATH``, ``input:PATH``, ``upstream:TASK``,
``env:PACKAGE`` and ``spec:KEY``; comparing two fingerprints part by part says what changed.
"""

from __future__ import annotations

import os
import sys
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import PipelineError
from mlops_nb.model import Fingerprint, Json, TaskKind
from mlops_nb.notebooks.imports import Import
from mlops_nb.pipeline.digests import Digests, digest_of
from mlops_nb.pipeline.environment import Environment
from mlops_nb.pipeline.files import resolve
from mlops_nb.pipeline.modules import Modules
from mlops_nb.pipeline.params import find_task
from mlops_nb.pipeline.state import StateStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_nb.config import Project
    from mlops_nb.model import Pipeline, Task

__all__ = [
    "WORTH_KEEPING",
    "Fingerprinter",
    "complete_fingerprint",
    "fingerprint_now",
    "output_digest",
    "product_digests",
]

_LONGEST = 120
"""Longer values are kept as digests, in characters."""

WORTH_KEEPING = 20_000_000
"""Bytes hashed for one task from which on remembering the digests is worth a write."""

_TEXT_KINDS = (TaskKind.NOTEBOOK, TaskKind.SCRIPT)


class Fingerprinter:
    """Makes fingerprints of a project's tasks, for one look at its files.

    Parameters
    ----------
    project
        The project.
    digests
        Digests to share with others that look at the same time.
    """

    def __init__(self, project: Project, digests: Digests | None = None) -> None:
        self._project = project
        self.digests = digests or Digests(project)
        self._modules = Modules(project.root, self.digests)
        self._environment = Environment(project)

    def own_parts(self, task: Task) -> dict[str, str]:
        """Return all parts of a task but those of its upstream tasks.

        Raises
        ------
        NotebookError
            The task's notebook is missing or cannot be read.
        """
        parts = {**self._source_parts(task), **_param_parts(task), **_spec_parts(task)}
        for pattern in task.inputs:
            parts.update(self._input_parts(pattern))
        return parts

    def forget_products(self, task: Task) -> None:
        """Look at a task's products afresh: they have been made since."""
        for product in task.products:
            if product.is_file:
                place = resolve(self._project.root, product.path)
                self.digests.forget(place)

    def make(self, task: Task, upstream: Mapping[str, str]) -> Fingerprint:
        """Return a task's fingerprint.

        Parameters
        ----------
        task
            The task.
        upstream
            `output_digest` of each upstream task.
        """
        return complete_fingerprint(self.own_parts(task), upstream)

    def _source_parts(self, task: Task) -> dict[str, str]:
        if task.kind is TaskKind.FUNCTION:
            source, _, imports, folder, own = self._function(task.source)
            parts: dict[str, str] = {}
        elif task.kind in _TEXT_KINDS and task.source:
            path = resolve(self._project.root, task.source)
            facts = self.digests.notebook(path)
            source, parts, imports, folder, own = facts.code, {}, facts.imports, path.parent, path
        else:
            path = resolve(self._project.root, task.source)
            source = self.digests.of(path) if task.source else ""
            parts, imports, folder, own = {}, (), path.parent, path
        wanted = list(imports)
        for name in _callables_of(task):
            _, more, inner, _, _ = self._function(name)
            parts.update(more)
            wanted += inner
        reached = self._modules.reach(wanted, folder, without=str(own))
        root = str(self._project.root) + os.sep
        for file in reached.files:
            shown = Path(file.removeprefix(root)).as_posix()
            parts[f"module:{shown}"] = self.digests.module(Path(file)).code
        if task.language == "python":
            parts["env:python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
            versions = self._environment.reached(reached.outside)
            parts.update({f"env:{name}": version for name, version in versions.items()})
        return {"source": source, **parts}

    def _function(self, dotted: str) -> tuple[str, dict[str, str], tuple[Import, ...], Path, Path]:
        """Return a function's own digest, its part, imports, folder and file."""
        pieces = dotted.replace("::", ".").split(".")
        for cut in range(len(pieces) - 1, 0, -1):
            module = ".".join(pieces[:cut])
            file = self._modules.locate(module)
            if file is not None:
                facts = self.digests.function(file, ".".join(pieces[cut:]))
                part = f"module:{self._shown(file)}:{'.'.join(pieces[cut:])}"
                return facts.code, {part: facts.code}, facts.imports, file.parent, file
        # Not the project's: the version of the distribution it comes from stands for it.
        outside = (Import(module=dotted.replace("::", ".").rpartition(".")[0]),)
        return digest_of(dotted), {}, outside, self._project.root, self._project.root

    def _shown(self, path: Path) -> str:
        try:
            return path.relative_to(self._project.root).as_posix()
        except ValueError:
            return path.as_posix()

    def _input_parts(self, pattern: str) -> dict[str, str]:
        place = resolve(self._project.root, pattern)
        if not has_magic(pattern):
            return {f"input:{pattern}": self.digests.of(place)}
        names = sorted(glob(str(place), recursive=True))  # noqa: PTH207 - may be absolute
        return {f"input:{self._shown(Path(name))}": self.digests.of(name) for name in names}


def complete_fingerprint(parts: Mapping[str, str], upstream: Mapping[str, str]) -> Fingerprint:
    """Return the fingerprint of a task's own parts and its upstream tasks' outputs."""
    everything = {**parts, **{f"upstream:{name}": digest for name, digest in upstream.items()}}
    ordered = dict(sorted(everything.items()))
    flat = [text for pair in ordered.items() for text in pair]
    return Fingerprint(digest=digest_of(*flat), parts=ordered)


def _param_parts(task: Task) -> dict[str, str]:
    values: dict[str, Json] = {
        parameter.name: parameter.default for parameter in task.declared if parameter.literal
    }
    values.update(task.params)
    return {f"param:{name}": _short(value) for name, value in values.items()}


def _spec_parts(task: Task) -> dict[str, str]:
    parts = {f"spec:{key}": _shorten(value) for key, value in task.spec.items()}
    # What a failure hook does changes nothing of a good result.
    parts.pop("spec:on_failure", None)
    if task.kernel:
        parts["spec:kernel"] = task.kernel
    if task.cwd:
        parts["spec:cwd"] = task.cwd
    if task.export:
        parts["spec:export"] = _short(task.export)
    products = {product.key: product.path for product in task.products}
    parts["spec:product"] = _short(products[""] if list(products) == [""] else products)
    return parts


def _callables_of(task: Task) -> Iterable[str]:
    """Return the dotted paths of functions that take part in a task's result."""
    for hook in task.hooks:
        when, _, dotted = hook.partition(":")
        if when != "on_failure":
            yield dotted
    for key in ("serializer", "unserializer", "client", "product_client"):
        if key in task.spec:
            yield _dotted_of(task.spec[key])


def _dotted_of(text: str) -> str:
    """Return the path in a dotted-path specification, which may be a mapping."""
    if not text.startswith("{"):
        return text
    try:
        return str(msgspec.json.decode(text).get("dotted_path", ""))
    except (msgspec.DecodeError, AttributeError):
        return text


def _short(value: Json) -> str:
    if isinstance(value, str):
        return _shorten(value)
    return _shorten(msgspec.json.encode(value, order="sorted").decode())


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"sha256:{digest_of(text)}"


def product_digests(
    project: Project, task: Task, *, digests: Digests | None = None
) -> dict[str, str]:
    """Return the digests of a task's file products as they stand on disk.

    Parameters
    ----------
    project
        Where relative paths start.
    task
        The task.
    digests
        Digests to share with others that look at the same time.

    Returns
    -------
    dict of str to str
        By `Product.path`; an empty digest for a product that is missing.
    """
    look = digests or Digests(project)
    found = {
        product.path: look.of(resolve(project.root, product.path))
        for product in task.products
        if product.is_file
    }
    if digests is None:
        look.save()
    return found


def output_digest(task: Task, fingerprint: str, products: Mapping[str, str]) -> str:
    """Return what the tasks below see of a task.

    That is the content of its file products but for executed notebooks, which differ from run to
    run by their times. Where nothing else is left (a report only, a relation in a database), the
    task's own fingerprint stands for its output.

    Parameters
    ----------
    task
        The task.
    fingerprint
        Digest of the fingerprint that it was run with.
    products
        Digests by `Product.path`.
    """
    files = [
        product.path for product in task.products if product.is_file and not product.is_notebook
    ]
    whole = bool(files) and all(product.is_file for product in task.products)
    parts = [text for path in sorted(files) for text in (path, products.get(path, ""))]
    return digest_of(*parts) if whole else digest_of("made by", fingerprint, *parts)


def fingerprint_now(
    project: Project,
    pipeline: Pipeline,
    task: Task | str,
    *,
    look: Fingerprinter | None = None,
    store: StateStore | None = None,
) -> Fingerprint:
    """Return a task's fingerprint from what stands on disk now, its upstream products included.

    Call it before the task starts, once the upstream tasks are done and noted in the
    `StateStore`: what is edited while the task runs then counts as changed the next time.

    Parameters
    ----------
    project
        The project.
    pipeline
        Its pipeline, parameters of the run set.
    task
        The task or its name.
    look
        One look to share among all tasks of a run, so that files are read once. Products of
        upstream tasks are looked at afresh; sources count as they stood when first looked at.
    store
        Where the upstream tasks are noted, if it is open already.

    Raises
    ------
    PipelineError
        There is no such task, or an upstream task has not been noted and made no file.
    NotebookError
        The task's notebook is missing or cannot be read.
    """
    task = find_task(pipeline, task)
    shared = look is not None
    look = look or Fingerprinter(project)
    store = store or StateStore(project)
    upstream: dict[str, str] = {}
    for name in task.upstream:
        above = find_task(pipeline, name)
        look.forget_products(above)
        state = store.get(name)
        products = product_digests(project, above, digests=look.digests)
        if state is None and not any(products.values()):
            raise PipelineError(
                f'its upstream task "{name}" has not run', where=f'task "{task.name}"'
            )
        upstream[name] = output_digest(above, state.fingerprint.digest if state else "", products)
    made = look.make(task, upstream)
    if not shared and look.digests.hashed_bytes > WORTH_KEEPING:
        look.digests.save()
    return made
