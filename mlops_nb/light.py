"""Imports Papermill, Ploomber and MLflow without what they drag in and nobody here uses.

Three things make up most of Papermill's import: `jsonschema` compiles a grammar in
``rfc3987_syntax`` that only checks internationalised addresses; Papermill imports clients for HTTP
and Hadoop file systems, and with them NumPy; and its registry imports every other engine that is
installed. Ploomber adds Matplotlib for a profiler and pandas for its serializers, MLflow its tools
for language models. All of it is put off until somebody asks for it. Only the import statements of the modules named here are answered
differently; no other code, in this thread or another, is touched.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import importlib.util
import sys
import threading
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from importlib.machinery import ModuleSpec

__all__ = ["import_papermill", "light_mlflow", "light_nbformat", "light_ploomber"]

_lock = threading.RLock()


class _LaterModule(ModuleType):
    """Stands for a module; looks names up in the real one when they are asked for.

    Parameters
    ----------
    name
        The module.
    functions
        What is taken from it by name; these are called later, so a function stands for each.
    """

    def __init__(self, name: str, *functions: str) -> None:
        super().__init__(name)
        for function in functions:
            setattr(self, function, self._call(function))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)

    def _call(self, function: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(importlib.import_module(self.__name__), function)(*args, **kwargs)

        return call


class _LaterEngine:
    """Stands in Papermill's registry for an engine of another package."""

    def __init__(self, point: Any) -> None:
        self._point = point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._point.load(), name)


class _EntryPoints(ModuleType):
    """The module ``entrypoints`` as Papermill's registry sees it: loading gives a stand-in."""

    def __init__(self) -> None:
        super().__init__("entrypoints")

    def get_group_all(self, group: str) -> list[Any]:
        real: Any = importlib.import_module("entrypoints")
        return [_Point(point) for point in real.get_group_all(group)]


class _Point:
    def __init__(self, point: Any) -> None:
        self.name = point.name
        self._point = point

    def load(self) -> _LaterEngine:
        return _LaterEngine(self._point)


def import_papermill() -> ModuleType:
    """Import ``papermill.engines`` and return it."""
    loaded = sys.modules.get("papermill.engines")
    if loaded is not None and hasattr(loaded, "papermill_engines"):
        return loaded
    with _answered(_papermill()):
        return importlib.import_module("papermill.engines")


def light_nbformat() -> contextlib.AbstractContextManager[None]:
    """Return a context in which nbformat is imported lightly, where it was not imported before."""
    return _answered(_jsonschema())


def light_ploomber() -> contextlib.AbstractContextManager[None]:
    """Return a context in which Ploomber is imported lightly, where it was not imported before."""
    pyplot = ModuleType("matplotlib")
    pyplot.__dict__["pyplot"] = _LaterModule("matplotlib.pyplot")
    pandas = _installed(_LaterModule("pandas"))
    return _answered(
        {
            **_papermill(),
            "ploomber.io.loaders": pandas,
            "ploomber.io.unserialize": pandas,
            "ploomber_engine.profiling": {
                f"{name}.pyplot": pyplot for name in _installed(ModuleType("matplotlib"))
            },
        }
    )


def light_mlflow() -> contextlib.AbstractContextManager[None]:
    """Return a context in which MLflow is imported lightly, where it was not imported before."""
    return _answered(
        {
            "mlflow": {"mlflow.genai": _LaterModule("mlflow.genai")},
            # An exception that is only raised: calling the stand-in makes one.
            "mlflow.gateway.utils": _installed(_LaterModule("fastapi", "HTTPException")),
        }
    )


def _jsonschema() -> dict[str, Mapping[str, ModuleType]]:
    return {"jsonschema._format": _installed(_LaterModule("rfc3987_syntax", "is_valid_syntax"))}


def _papermill() -> dict[str, Mapping[str, ModuleType]]:
    return {
        **_jsonschema(),
        "papermill.engines": {"entrypoints": _EntryPoints()},
        "papermill.iorw": _installed(
            _LaterModule("requests"),
            _LaterModule("pyarrow.fs", "FileSelector", "HadoopFileSystem"),
        ),
    }


@contextlib.contextmanager
def _answered(instead: Mapping[str, Mapping[str, ModuleType]]) -> Iterator[None]:
    finder = _Finder(instead)
    with _lock:
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)


def _installed(*modules: ModuleType) -> dict[str, ModuleType]:
    """Return the stand-ins by name, without those whose absence is to be noticed."""
    return {
        module.__name__: module
        for module in modules
        if importlib.util.find_spec(module.__name__.partition(".")[0]) is not None
    }


class _Finder(MetaPathFinder):
    def __init__(self, instead: Mapping[str, Mapping[str, ModuleType]]) -> None:
        self._instead = instead

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._instead:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Importer(spec.loader, self._instead[fullname])
        return spec


class _Importer(Loader):
    """Runs a module whose own import statements get some modules' stand-ins."""

    def __init__(self, loader: Loader, instead: Mapping[str, ModuleType]) -> None:
        self._loader = loader
        self._instead = instead

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        def import_(
            name: str,
            globals: Mapping[str, object] | None = None,  # noqa: A002 - as Python calls it
            locals: Mapping[str, object] | None = None,  # noqa: A002
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> ModuleType:
            found = self._instead.get(name)
            if found is not None:
                return found
            names = fromlist or ()
            later = [one for one in names if f"{name}.{one}" in self._instead]
            if not later:
                return builtins.__import__(name, globals, locals, names, level)
            # A name that is there already keeps ``__import__`` from giving the topmost package.
            rest = [one for one in names if one not in later] or ["__name__"]
            made = builtins.__import__(name, globals, locals, rest, level)
            for one in later:
                if not hasattr(made, one):
                    setattr(made, one, self._instead[f"{name}.{one}"])
            return made

        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_}
        self._loader.exec_module(module)
