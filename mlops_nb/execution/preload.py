"""What a zygote may import beforehand, and which variables its imports depend on."""

from __future__ import annotations

import importlib.machinery
import re
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import NotebookError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_nb.notebooks.cells import Cells

__all__ = ["NEVER", "preload_for", "sensitive"]

NEVER = frozenset(
    [
        "polars",
        "torch",
        "tensorflow",
        "jax",
        "jaxlib",
        "cupy",
        "cudf",
        "cuml",
        "numba.cuda",
        "paddle",
        "mxnet",
        "mpi4py",
        "rpy2",
        "pyopencl",
        "pycuda",
        "ray",
        "gi",
        "PyQt5",
        "PyQt6",
        "PySide2",
        "PySide6",
        "tkinter",
        "turtle",
        "wx",
        "this",
        "antigravity",
    ]
)
"""Modules that start threads, talk to a device or a display, embed another runtime, or show."""

_OURS = ("narwhals", "pyarrow.dataset", "pyarrow.parquet", "skops.io", "yaml")
"""What our own functions import when a notebook first calls them; skops alone takes a second."""

_PREFIXES = [
    "OMP_",
    "OPENBLAS_",
    "GOTO_",
    "MKL_",
    "BLIS_",
    "VECLIB_",
    "NUMEXPR_",
    "NUMBA_",
    "KMP_",
    "CUDA_",
    "HIP_",
    "ROCR_",
    "PYTHON",
    "LD_",
    "LC_",
    "LANG",
    "MALLOC_",
    "NPY_",
    "NUMPY_",
    "PANDAS_",
    "SKLEARN_",
    "SCIPY_",
    "ARROW_",
    "MPL",
    "IPYTHON",
    "JUPYTER",
    "JOBLIB_",
    "LOKY_",
    "TQDM_",
    "PYDEVD_",
    "XDG_",
    "PLOTLY_",
]
_LINE = re.compile(r"^([ \t]*)(?:%(?!%)|!).*$", re.MULTILINE)
_SET_ON_IMPORT = {"KMP_DUPLICATE_LIB_OK": "True", "KMP_INIT_AT_FORK": "FALSE"}
"""What scikit-learn sets where it is not set: with or without them a kernel is the same."""
_NAMES = {"HOME", "VIRTUAL_ENV", "CONDA_PREFIX", "QT_API"}


def sensitive(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that may change what an import does."""
    found = {k: v for k, v in environ.items() if k in _NAMES or k.startswith(tuple(_PREFIXES))}
    return _SET_ON_IMPORT | found


def preload_for(notebooks: Iterable[Path | str]) -> tuple[str, ...]:
    """Return the modules worth importing before the notebooks are run.

    Those that the notebooks import at their top level and that are installed in this
    interpreter's site-packages or belong to the standard library, and what ``mlops_nb`` itself
    would import in them; never the project's own code, nor anything on the list `NEVER`.

    Parameters
    ----------
    notebooks
        Paths; those that cannot be read are passed over, their own run will say why.

    Returns
    -------
    tuple of str
        Dotted names in alphabetical order.
    """
    from mlops_nb.notebooks.imports import imports_at_top

    found: set[str] = set()
    for path in notebooks:
        try:
            cells = _cells(Path(path))
        except NotebookError:
            continue
        for item in imports_at_top(cells):
            if item.module.partition(".")[0] == "mlops_nb":
                found.update(name for name in _OURS if _places(name) is not None)
                continue
            places = _places(item.module)
            if places is None:
                continue
            found.add(item.module)
            found.update(f"{item.module}.{name}" for name in item.names if _is_module(places, name))
    return tuple(sorted(found))


def _cells(path: Path) -> Cells:
    """Read a notebook without what parses slowly and cannot import: magics and shell lines."""
    from mlops_nb.notebooks.cells import Cell, Cells
    from mlops_nb.notebooks.read import read_bytes, read_cells

    if path.suffix == ".py":  # a text notebook is Python as it stands; jupytext is not needed
        text = read_bytes(path).decode("utf-8", errors="replace")
        sources: tuple[str, ...] = (text,)
    else:
        cells = read_cells(path)
        if cells.language != "python":
            return cells
        sources = tuple(cell.source for cell in cells.code)
    return Cells(
        cells=tuple(Cell(kind="code", source=_LINE.sub(r"\1pass", text)) for text in sources)
    )


@lru_cache(maxsize=1024)
def _places(module: str) -> tuple[str, ...] | None:
    """Return a package's folders (none for a plain module); ``None`` where it is not to be preloaded."""
    top, *rest = module.split(".")
    if top in NEVER or module in NEVER:
        return None
    if top in sys.stdlib_module_names:
        paths = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
        if top in sys.builtin_module_names:
            return ()
    else:
        paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    spec = importlib.machinery.PathFinder.find_spec(top, paths)
    if spec is None:
        return None
    places = tuple(spec.submodule_search_locations or ())
    for name in rest:
        if not _is_module(places, name):
            return None
        places = tuple(str(Path(place, name)) for place in places if Path(place, name).is_dir())
    return places


def _is_module(places: Iterable[str], name: str) -> bool:
    """Whether a package's folders hold a module of that name."""
    suffixes = importlib.machinery.all_suffixes()
    return any(
        Path(place, name, "__init__.py").exists()
        or any(Path(place, name + suffix).exists() for suffix in suffixes)
        for place in places
    )
