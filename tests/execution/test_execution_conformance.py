"""The same notebooks in a cold and in a warm kernel: a reader of the two sees no difference."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from mlops_nb.execution.kernels import Zygote
from tests.execution.kernel_kit import ALLOWED, ANY_ORDER, comparable, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PRELOAD = (
    "ipywidgets",
    "joblib",
    "matplotlib.pyplot",
    "pandas",
    "pyarrow",
    "sklearn.ensemble",
    "tqdm.auto",
)


def bad(source: str) -> tuple[str, list[str]]:
    return source, ALLOWED


def mixed(source: str) -> tuple[str, list[str]]:
    """A cell whose processes write as they like, in cold kernels too."""
    return source, [ANY_ORDER]


PLAIN = (
    "import sys\nprint('a'); print('b', file=sys.stderr); print('c', end='')",
    "1 + 1",
    "_ + 1",
    "In[2], Out[2], _2, _i2",
    "x = 5; x;",
    "from IPython.display import display, HTML, Latex, JSON, Markdown, clear_output, update_display\n"
    "display(HTML('<b>x</b>')); display(JSON({'a': 1})); display(Latex('$x$'), Markdown('*x*'))",
    "handle = display('first', display_id='one'); display('other'); handle.update('second')",
    "update_display('third', display_id='one')",
    "for i in range(3):\n    clear_output(wait=True); print(i)",
    "print('gone'); clear_output(); print('kept')",
    "class Rich:\n    def _repr_html_(self): return '<i>A</i>'\n    def __repr__(self): return 'A!'\nRich()",
    "import warnings, logging\nwarnings.warn('careful'); logging.warning('logged')",
    "__name__, '__file__' in globals(), sys.argv[1:2], len(sys.argv), sys.path[-3:]",
    "kernel = get_ipython().kernel\ntype(kernel), type(get_ipython()), type(sys.stdout), type(sys.displayhook)",
    "sys.stdout.isatty(), sys.stdout.encoding, sys.stdin.read(), kernel.execution_count",
    "import os\nsorted(k for k in os.environ if k.startswith('PYDEVD') or k in ('TERM', 'FORCE_COLOR', "
    "'CLICOLOR', 'PAGER', 'GIT_PAGER', 'MPLBACKEND', 'JPY_PARENT_PID'))",
    "import signal\n[signal.getsignal(n) for n in (2, 15, 17, 13)], signal.pthread_sigmask(0, [])",
    "import asyncio, threading\ntype(asyncio.get_event_loop()), threading.current_thread().name",
    "import ipykernel.kernelapp as ka\nka.IPKernelApp.initialized(), type(ka.IPKernelApp.instance())",
    "shell = get_ipython()\nshell.history_manager.hist_file, shell.profile_dir.location, shell.starting_dir",
    "sys.modules['__main__'].__dict__ is globals(), __doc__, '__spec__' in globals(), sys.flags",
    "os.getpgid(0) == os.getpid() == os.getsid(0), sys.executable, sys.prefix, os.umask(0o22)",
    "import inspect\ndef g():\n    return 1\ninspect.getsource(g)",
    "import resource\n[resource.getrlimit(n) for n in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS)]",
    "import gc, time, locale\ngc.isenabled(), gc.get_threshold(), time.tzname, locale.getlocale()",
    "import contextvars\nv = contextvars.ContextVar('v', default=0); v.set(5)\n1;",
    "v.get()",
    "await asyncio.sleep(0.01); print('slept')",
    "async def later():\n    for i in range(3):\n        print('later', i); await asyncio.sleep(0.01)\n"
    "task = asyncio.create_task(later())",
    "await task; 'done'",
    "async def change():\n    v.set(9)\nawait change(); v.get()",
    "loop = asyncio.get_event_loop(); await loop.run_in_executor(None, lambda: 42)",
    bad("asyncio.run(later())"),
)

ERRORS = (
    bad("1/0"),
    bad("def f(x):\n    return g(x)\ndef g(x):\n    raise ValueError('bad ' + x)\nf('thing')"),
    bad("for"),
    bad("raise KeyboardInterrupt"),
    bad("try:\n    {}['a']\nexcept KeyError as e:\n    raise RuntimeError('x') from e"),
    bad("input('name?')"),
    bad("import getpass; getpass.getpass()"),
    bad("class B:\n    def __repr__(self): raise ValueError('no repr')\nB()"),
    bad("import sys; sys.exit(3)"),
    bad("undefined_name"),
    bad("%nosuchmagic"),
    bad("%%bash\nexit 3"),
    bad("raise ExceptionGroup('eg', [ValueError(1), TypeError(2)])"),
    bad("async def c():\n    raise OSError('in coroutine')\nawait c()"),
    bad("import nothing_of_this_name"),
    bad("print('out'); raise Exception('multi\\nline')"),
    bad("%run nosuch.py"),
    bad("import os; os.kill(os.getpid(), 2)"),
    "%xmode Plain",
    bad("1/0"),
    "import faulthandler; faulthandler.enable(); faulthandler.is_enabled()",
    "raise LookupError('the end')",
    "'never'",
)

MAGICS = (
    "%%writefile made.py\nprint('script', __name__, __file__)\nz = 11",
    "%run made.py\nz",
    "%time y = 1\nprint(y)",
    "%%time\nprint('x')",
    "%%capture caught\nprint('hidden')",
    "caught.stdout",
    "%env FOO=bar",
    "%%timeit -n1 -r1\npass",
    "%cd -q ..",
    "%cd -q -",
    "%dhist",
    "%who",
    "%lsmagic",
    "int?",
    "%load_ext autoreload\n%autoreload 2",
    "import made; made.z",
    "%history",
    "%alias hi echo hi %l\n%hi there",
    "%%html\n<b>h</b>",
    "%%latex\n$x$",
    "%precision 3\n3.14159",
    "%store",
    "!echo hello; echo err >&2",
    "x = !echo one; echo two\nx",
    "%%bash\necho in bash",
    "%%python3\nprint('py')",
    "%%sh --out o\necho hid",
    "o",
    "get_ipython().set_next_input('foo')",
    "%reset -f\n%who",
)

PROCESSES = (
    # A cold kernel drops what reaches it after the cell's end: the pauses are for its sake.
    "import os, sys, time, subprocess, threading",
    mixed("subprocess.run(['echo', 'sub']); time.sleep(.5); print('done')"),
    "os.system('echo sys'); os.write(1, b'raw\\n'); os.write(2, b'raw error\\n'); time.sleep(.5)",
    "import ctypes; ctypes.CDLL(None).puts(b'from C'); ctypes.CDLL(None).fflush(None); time.sleep(.5)",
    "pid = os.fork()\nif pid == 0:\n    print('in child', flush=True); os._exit(0)\n"
    "os.waitpid(pid, 0); time.sleep(.5)",
    mixed(
        "import multiprocessing as mp\ndef w(i):\n    print('worker', flush=True); return i * i\n"
        "with mp.get_context('fork').Pool(1) as pool: print(pool.map(w, [1, 2]))\ntime.sleep(.5)"
    ),
    "with mp.get_context('spawn').Pool(1) as pool: print(pool.map(pow_ := abs, [-2, 3]))",
    "from joblib import Parallel, delayed\nParallel(n_jobs=2)(delayed(pow)(i, 2) for i in range(5))",
    "def late():\n    time.sleep(.2); print('late')\nth = threading.Thread(target=late); th.start(); print('on')",
    "th.join(); print('joined')",
    "from IPython.utils.capture import capture_output\nwith capture_output() as c:\n    print('caught')\n"
    "c.stdout",
    "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as ex:\n"
    "    print(sorted(ex.map(lambda i: i * 2, range(4))))",
    "sum(1 for _ in subprocess.Popen(['seq', '5'], stdout=-1).stdout)",
)

WIDGETS = (
    "import ipywidgets as w\ns = w.IntSlider(value=3); s",
    "s.value = 7; w.HBox([s, w.Button(description='b')])",
    "o = w.Output()\nwith o:\n    print('inside'); display('rich')\no",
    "o.append_stdout('more')",
    "o.clear_output()\nwith o: print('again')",
    "with o:\n    1/0\nprint('after')",
    "@w.interact(x=3)\ndef f(x): print('x is', x)",
    "from tqdm.auto import tqdm\nfor i in tqdm(range(3)): pass\ntqdm",
    "clicked = []; b = w.Button(); b.on_click(lambda _: clicked.append(1)); b.click(); clicked",
    "from comm import create_comm\nc = create_comm(target_name='foo', data={'a': 1}); c.send({'b': 2}); c.close()",
    "w.Image(value=b'\\x89PNG', format='png')",
    "sorted(get_ipython().kernel.comm_manager.targets), len(get_ipython().kernel.comm_manager.comms)",
)

LIBRARIES = (
    "import numpy as np, pandas as pd, pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq\n"
    "pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})",
    "pq.write_table(pa.table({'a': list(range(1000))}), 't.parquet'); pd.read_parquet('t.parquet').a.sum()",
    "pc.sum(pa.array(range(1000))).as_py()",
    "import polars as pl\npl.DataFrame({'a': [1, 2, 2]}).lazy().group_by('a').len().sort('a').collect()",
    "from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier\n"
    "X = np.random.default_rng(0).normal(size=(300, 5)); y = (X[:, 0] > 0).astype(int)\n"
    "HistGradientBoostingClassifier(max_iter=5).fit(X, y).score(X, y)",
    "from sklearn.cluster import KMeans\nKMeans(3, n_init=1, random_state=0).fit(X).labels_[:10]",
    "RandomForestClassifier(n_jobs=2, n_estimators=5, random_state=0).fit(X, y)",
    "A = np.ones((500, 500)); float((A @ A).sum())",
    "from threadpoolctl import threadpool_info\nsorted((i['user_api'], i['num_threads']) for i in threadpool_info())",
    "import matplotlib, matplotlib.pyplot as plt\nfig, ax = plt.subplots(); ax.plot([1, 2, 3]); print('drawn')",
    "%matplotlib inline\nplt.plot([3, 2, 1]); plt.show(); print('after')",
    "%config InlineBackend.figure_format = 'svg'",
    "plt.plot([1]); None",
    "plt.get_fignums(), plt.get_backend(), matplotlib.rcParams['backend']",
    "pd.DataFrame({'t': pd.date_range('2020', periods=2)}).style",
    "import os\n[(k, os.environ[k]) for k in sorted(os.environ) if k.startswith(('KMP', 'OMP', 'MPL'))]",
    "pd.get_option('display.max_rows'), np.get_printoptions()['precision'], np.geterr()",
)


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote(PRELOAD) as made:
        assert made.ready().failed == {}
        assert made.unsafe == {}
        yield made


@pytest.mark.parametrize(
    "cells",
    [PLAIN, ERRORS, MAGICS, PROCESSES, WIDGETS, LIBRARIES],
    ids=["plain", "errors", "magics", "processes", "widgets", "libraries"],
)
def test_cold_and_warm_kernels_put_out_the_same(
    cells: tuple[str | tuple[str, list[str]], ...],
    tmp_path: Path,
    zygote: Zygote,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # ipykernel leaves the descriptors alone where it believes that pytest captures them.
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    folders = {mode: tmp_path / mode for mode in ("cold", "warm")}
    with ThreadPoolExecutor(2) as pool:
        runs = {
            mode: pool.submit(run, folder, *cells, zygote=zygote, cold=mode == "cold")
            for mode, folder in folders.items()
        }
    cold, warm = (runs[mode].result() for mode in ("cold", "warm"))
    assert (cold.outcome.kernel, warm.outcome.kernel) == ("cold: asked for", "warm")
    assert [c.index for c in warm.outcome.cells] == [c.index for c in cold.outcome.cells]
    one, other = (comparable(ran, str(folders[m])) for m, ran in (("cold", cold), ("warm", warm)))
    for mine, theirs in zip(other.pop("cells"), one.pop("cells"), strict=True):
        assert mine == theirs
    assert other == one


def test_an_interpreter_that_never_preloaded_agrees_on_modules(
    tmp_path: Path, zygote: Zygote
) -> None:
    code = "import sys\nprint(sorted({n.partition('.')[0] for n in sys.modules}))"
    cold = run(tmp_path / "cold", code, zygote=zygote, cold=True)
    warm = run(tmp_path / "warm", code, zygote=zygote)
    extra = set(eval(warm.text(0))) - set(eval(cold.text(0)))
    unseen = extra - zygote.ready().modules - set(sys_modules())
    assert unseen == set(), "modules in a warm kernel that are no part of its preload"


def sys_modules() -> frozenset[str]:
    import sys

    return sys.stdlib_module_names
