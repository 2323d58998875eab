"""Keeps a notebook's state as it was before the cell that fails, and puts it back.

Before each cell the kernel's process is forked. The copy sleeps, sharing all memory that the cell
does not write to, and is dropped when the cell has ended well. When the cell raises, or the process
dies, the copy writes the namespace to a file: a state that the failing cell never touched.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import importlib.util
import io
import json
import os
import re
import signal
import sys
import time
import types
from typing import IO, Any

_STALL = 30  # seconds in which a copy has to write something
_PIECE = 16 << 20  # bytes written at a time
_FILES = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)
_HISTORY = re.compile(r"_{1,3}|_\d+")
_MAGIC = re.compile(
    r"^%(load_ext|reload_ext|matplotlib|config|autoreload|precision|xmode|pprint)\b[ \t]*(.*)$",
    re.MULTILINE,
)
"""Magics that set up the shell; they are run again."""


class Refused(Exception):  # noqa: N818 - its text is shown to people
    """The state cannot be kept, or not be put back; the text says why."""


class _TooLarge(Exception):  # noqa: N818
    pass


class _Sink:
    """A file that takes so many bytes, or only counts them; each write feeds the alarm."""

    def __init__(self, file: IO[bytes] | None, limit: float) -> None:
        self._file = file
        self._left = limit

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._left -= len(view)
        if self._left < 0:
            raise _TooLarge
        for at in range(0, len(view), _PIECE):
            signal.alarm(_STALL)
            if self._file is not None:
                self._file.write(view[at : at + _PIECE])
        return len(view)


def make_pickler(file: Any, shell: Any) -> Any:
    """Return a pickler for what is found in a notebook's namespace.

    cloudpickle's, but that functions defined in the notebook stay bound to the notebook's
    namespace, and that files, widgets and the like are refused instead of turned into something
    else. Its ``mentioned`` tells which global names which functions use.
    """
    import cloudpickle

    space, main = shell.user_ns, sys.modules["__main__"]

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        mentioned: dict[str, str] = {}

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, _Namespace):
                return vars, (main,)
            if isinstance(obj, _FILES) and obj not in (sys.stdout, sys.stderr):
                if not obj.closed:
                    raise Refused("an open file")
                mode = "r" if isinstance(obj, io.TextIOBase) else "rb"
                return open, (os.devnull, mode), 0, None, None, io.IOBase.__exit__
            widgets = sys.modules.get("ipywidgets")
            if widgets is not None and isinstance(obj, widgets.Widget):
                raise Refused("a widget belongs to its kernel")
            found = super().reducer_override(obj)
            if (
                not isinstance(obj, types.FunctionType)
                or obj.__globals__ is not space
                or found is NotImplemented
            ):
                return found
            for name in _names(obj.__code__):
                self.mentioned.setdefault(name, obj.__qualname__)
            make, (code, _, *rest), (state, slots), *more = found
            slots = {**slots, "__globals__": {}}
            return make, (code, _namespace, *rest), (state, slots), *more

    made = Pickler(file, protocol=5)
    made.mentioned = {}
    return made


class _Namespace:
    """Stands for the notebook's namespace where a function refers to it."""


_namespace = _Namespace()


def _names(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            found |= _names(const)
    return found


class Keeper:
    """Keeps the state of one kernel.

    Parameters
    ----------
    shell
        IPython's.
    folder
        Takes ``namespace`` and ``answer.json``; empty where nothing is to be kept.
    limit
        Bytes that the state may take.
    settings
        The module ``settings.py`` beside this one: a kernel can import neither.
    """

    def __init__(self, shell: Any, folder: str, limit: float, settings: types.ModuleType) -> None:
        if not hasattr(os, "fork") or sys.platform == "darwin":
            raise Refused(f"it takes fork(), which {sys.platform} has not or cannot use safely")
        if importlib.util.find_spec("cloudpickle") is None:
            raise Refused(f"cloudpickle is not installed for {sys.executable}")
        self._shell = shell
        self._folder = folder
        self._limit = limit
        self._settings = settings
        self._environ = dict(os.environ)
        self._copy: tuple[int, int] | None = None

    def take(self) -> int:
        """Fork a copy of the state as it is now, and return its process id."""
        self.drop()
        # The copy's own generator is seeded anew by the fork.
        state = sys.modules["random"].getstate() if "random" in sys.modules else None
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self._sleep(reader, state)
            finally:
                os._exit(1)
        os.close(reader)
        self._copy = pid, writer
        return pid

    def drop(self) -> None:
        """Let go of the copy: the cell ended well."""
        self._tell(b"x")

    def dump(self) -> None:
        """Have the copy write what it holds, and wait for that."""
        self._tell(b"d")

    def _tell(self, word: bytes) -> None:
        if self._copy is None:
            return
        (pid, writer), self._copy = self._copy, None
        with contextlib.suppress(OSError):
            os.write(writer, word)
        os.close(writer)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)

    def _sleep(self, reader: int, state: Any) -> None:
        """Be the copy: wait for a word, or for the process's death, and act on it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
            if int(name) > 2 and int(name) != reader:
                with contextlib.suppress(OSError):
                    os.close(int(name))
        gc.disable()
        if os.read(reader, 1) != b"x":
            signal.alarm(_STALL)
            self._answer(self._write(state))
        os._exit(0)

    def _answer(self, answer: dict[str, Any]) -> None:
        path = os.path.join(self._folder, "answer.json")  # noqa: PTH118
        with open(path + ".part", "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(answer, file)
        os.replace(path + ".part", path)  # noqa: PTH105

    def _write(self, state: Any) -> dict[str, Any]:
        names, settings = self._names_to_keep(), self._settings.gather(state)
        missing: dict[str, str] = {}
        try:
            try:
                mentioned = self._store(names, settings, missing)
            except _TooLarge:
                raise
            except Exception:  # noqa: BLE001 - any object may raise anything; each is asked alone
                for name in list(names):
                    why = self._objection(names[name])
                    if why:
                        missing[name] = f"{type(names.pop(name)).__qualname__}: {why}"
                mentioned = self._store(names, settings, missing)
        except _TooLarge:
            return {"error": f"it takes more than {self._limit / 2**20:,.0f} MiB"}
        except Exception as error:  # noqa: BLE001 - told to people
            return {"error": f"{type(error).__name__}: {error}"}
        uses = {name: where for name, where in mentioned.items() if name in missing}
        return {"error": "", "missing": missing, "uses": uses}

    def _names_to_keep(self) -> dict[str, Any]:
        shell = self._shell
        hidden = shell.user_ns_hidden
        return {
            name: value
            for name, value in shell.user_ns.items()
            if _HISTORY.fullmatch(name) or name not in hidden or hidden[name] is not value
        }

    def _objection(self, value: Any) -> str:
        try:
            make_pickler(_Sink(None, float("inf")), self._shell).dump(value)
        except Exception as error:  # noqa: BLE001 - told to people
            return str(error) or type(error).__name__
        return ""

    def _store(
        self, names: dict[str, Any], settings: dict[str, Any], missing: dict[str, str]
    ) -> dict[str, str]:
        history = self._shell.history_manager
        now = dict(os.environ)
        about = {
            "versions": _versions(),
            "cwd": os.getcwd(),  # noqa: PTH109
            "path": sys.path,
            "set": {k: v for k, v in now.items() if self._environ.get(k) != v},
            "unset": [k for k in self._environ if k not in now],
            "modules": [
                name
                for name, module in sys.modules.items()
                if name == getattr(getattr(module, "__spec__", None), "name", None)
            ],
            "count": self._shell.execution_count,
            "inputs": [list(history.input_hist_parsed), list(history.input_hist_raw)],
            "magics": [
                m.groups() for text in history.input_hist_raw for m in _MAGIC.finditer(text)
            ],
            "missing": missing,
        }
        path = os.path.join(self._folder, "namespace")  # noqa: PTH118
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "wb") as file:  # noqa: PTH123
            sink = _Sink(file, self._limit)
            sink.write(json.dumps(about).encode() + b"\n")
            pickler = make_pickler(sink, self._shell)
            pickler.dump({"names": names, "settings": settings})
        mentioned: dict[str, str] = pickler.mentioned
        return mentioned

    def restore(self, path: str, digest: str) -> None:
        """Put a state into this kernel, which has run nothing yet.

        Raises
        ------
        Refused
            The file is not the one that was written, or this is another environment.
        """
        import pickle

        with open(path, "rb") as file:  # noqa: PTH123
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise Refused("its file was changed")
            file.seek(0)
            about = json.loads(file.readline())
            for name, version in _versions().items():
                if about["versions"][name] != version:
                    raise Refused(f"{name} {about['versions'][name]} → {version}")
            try:
                os.chdir(about["cwd"])
            except OSError as error:
                raise Refused(f"the folder {about['cwd']} is gone") from error
            os.environ.update(about["set"])
            for name in about["unset"]:
                os.environ.pop(name, None)
            time.tzset()
            sys.path[:] = about["path"]
            for name in about["modules"]:
                if name not in sys.modules:
                    with contextlib.suppress(
                        Exception
                    ):  # what is needed fails below, with its name
                        importlib.import_module(name)
            builtins = self._shell.user_ns["__builtins__"]
            try:
                kept = pickle.load(file)  # noqa: S301 - this run's own file, its digest recorded
            except Exception as error:
                raise Refused(f"{type(error).__name__}: {error}") from error
        self._put_back(about, kept, builtins)

    def _put_back(self, about: dict[str, Any], kept: dict[str, Any], builtins: Any) -> None:
        shell, space = self._shell, self._shell.user_ns
        for name, rest in about["magics"]:
            shell.run_line_magic(name, rest)
        names = kept["names"]
        space.update(names)
        space["__builtins__"] = builtins  # cloudpickle's functions bring their own
        shell.user_ns_hidden.update({n: v for n, v in names.items() if _HISTORY.fullmatch(n)})
        history = shell.history_manager
        history.input_hist_parsed[:], history.input_hist_raw[:] = about["inputs"]
        for name, value in names.items():
            if name[1:].isdigit() and name[0] == "_":
                space["Out"][int(name[1:])] = value
        inputs = history.input_hist_raw
        recent = {f"_{'i' * place}": inputs[-place] for place in (1, 2, 3) if place < len(inputs)}
        recent |= {f"_i{number}": text for number, text in enumerate(inputs) if number}
        shell.push(recent, interactive=False)
        shell.execution_count = about["count"]
        self._settings.put_back(kept["settings"])


def _versions() -> dict[str, str]:
    import cloudpickle

    return {
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "bytecode": importlib.util.MAGIC_NUMBER.hex(),
        "cloudpickle": cloudpickle.__version__,
    }
