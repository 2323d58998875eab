"""Reads kernelspecs as Jupyter finds them, without importing jupyter_client."""

from __future__ import annotations

import json
import os
import re
import sys
from functools import lru_cache
from pathlib import Path

from mlops_nb.model import Record

__all__ = ["KernelSpec", "find_kernelspec"]

_NATIVE = "python3"


class KernelSpec(Record, frozen=True, kw_only=True):
    """What a kernelspec says about starting its kernel."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    language: str = ""
    provisioner: str = ""
    """Name of the provisioner that starts it; empty for a plain local process."""

    def objection(self, python: str) -> str:
        """Return why its kernel cannot be forked from a zygote of an interpreter, or an empty text."""
        if self.language.lower() not in ("python", ""):
            return f"language {self.language}"
        if self.provisioner not in ("", "local-provisioner"):
            return f"provisioner {self.provisioner}"
        if self.flags is None:
            return f'kernelspec "{self.name}" starts a program of its own'
        if Path(self.python).resolve() != Path(python).resolve() or (
            # Virtual environments share one binary: the path before it is resolved tells them apart.
            Path(self.python).parent != Path(python).parent
        ):
            return f"interpreter {self.python}"
        return ""

    @property
    def python(self) -> str:
        """The program, with the names that Jupyter takes for the running interpreter resolved."""
        major, minor = sys.version_info[:2]
        if self.argv[0] in ("python", f"python{major}", f"python{major}.{minor}"):
            return sys.executable
        return self.argv[0]

    @property
    def flags(self) -> tuple[str, ...] | None:
        """The interpreter's options where the kernel is plain ipykernel, else ``None``."""
        if "-m" not in self.argv:
            return None
        at = self.argv.index("-m")
        if self.argv[at + 1 :] != ("ipykernel_launcher", "-f", "{connection_file}"):
            return None
        return self.argv[1:at]


@lru_cache(maxsize=64)
def find_kernelspec(name: str) -> KernelSpec | None:
    """Return the kernelspec of that name, or ``None``; found as jupyter_client finds it."""
    from jupyter_core.paths import jupyter_path

    if not re.fullmatch(r"[a-z0-9._\-]+", name, re.IGNORECASE):
        return None
    folders = [*jupyter_path("kernels"), str(Path.home() / ".ipython" / "kernels")]
    for folder in folders:
        try:
            text = Path(folder, name, "kernel.json").read_text(encoding="utf-8")
            found = json.loads(text)
        except (OSError, ValueError):
            continue
        metadata = found.get("metadata") or {}
        return KernelSpec(
            name=name,
            argv=tuple(str(part) for part in found.get("argv") or ("",)),
            env={k: os.path.expandvars(v) for k, v in (found.get("env") or {}).items()},
            language=found.get("language", ""),
            provisioner=(metadata.get("kernel_provisioner") or {}).get("provisioner_name", ""),
        )
    if name == _NATIVE:
        from ipykernel.kernelspec import make_ipkernel_cmd

        return KernelSpec(name=name, argv=tuple(make_ipkernel_cmd()), language="python")
    return None
