"""What a zygote may import beforehand, and which variables its imports depend on."""

from __future__ import annotations

__all__ = ["NEVER", "is_sensitive"]

NEVER = frozenset(
    "polars torch tensorflow jax jaxlib cupy cudf cuml numba.cuda paddle mxnet mpi4py rpy2 "
    "pyopencl pycuda ray gi PyQt5 PyQt6 PySide2 PySide6 tkinter wx".split()
)
"""Packages that start threads, talk to a device or a display, or embed another runtime."""

_PREFIXES = (
    "OMP_ OPENBLAS_ GOTO_ MKL_ BLIS_ VECLIB_ NUMEXPR_ NUMBA_ KMP_ CUDA_ HIP_ ROCR_ PYTHON LD_ LC_ "
    "LANG MALLOC_ NPY_ NUMPY_ PANDAS_ SKLEARN_ SCIPY_ ARROW_ MPL IPYTHON JUPYTER JOBLIB_ LOKY_ TQDM_ "
    "PYDEVD_ XDG_ SPHINX_ PLOTLY_"
).split()
_NAMES = {"HOME", "VIRTUAL_ENV", "CONDA_PREFIX", "QT_API"}


def is_sensitive(name: str) -> bool:
    """Whether an environment variable may change what an import does."""
    return name in _NAMES or name.startswith(tuple(_PREFIXES))
