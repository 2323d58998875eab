"""Pipelines that the export tests are about, and names that mean harm."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from mlops_nb.model import Parameter, Pipeline, Product, Task, TaskKind, TaskPolicy

TARGETS = ("github",)

HOSTILE = (
    "train model",
    "train'model",
    'train"model',
    'it\'s a "test"',
    "a\\b",
    "a\\",
    "'; touch PWNED; '",
    '"; touch PWNED; "',
    "; touch PWNED",
    "&& touch PWNED",
    "|| touch PWNED",
    "| touch PWNED",
    "& touch PWNED &",
    "$(touch PWNED)",
    "`touch PWNED`",
    "${IFS}touch${IFS}PWNED",
    "$HOME",
    "$((1+1))",
    "$@",
    "!!",
    "!history",
    "~root",
    "*",
    "?.ipynb",
    "[a-z]",
    "{a,b}",
    "<(touch PWNED)",
    "> PWNED",
    "2>PWNED",
    "line\nbreak",
    "line\r\nbreak",
    "\ntouch PWNED\n",
    "tab\there",
    " leading",
    "trailing ",
    "# comment",
    "a #b",
    "a: b",
    "- item",
    "&anchor",
    "*alias",
    "!!python/object/apply:os.system",
    "%YAML 1.2",
    "---",
    "...",
    "? key",
    "|",
    ">-",
    "@at",
    "null",
    "true",
    "yes",
    "on",
    "1",
    "1e3",
    "0x1f",
    "2026-01-01",
    "-rf",
    "--help",
    "--",
    "${{ github.token }}",
    "${{ secrets.DB_PASSWORD }}",
    "${{",
    "}} ${{ '}}' }}",
    "{{ ds }}",
    "{{ var.value.secret }}",
    "{% raw %}",
    "{% endraw %}{{ 1 }}",
    "{{inputs.parameters.x}}",
    "{{workflow.name}}",
    "${env.PATH}",
    "${'touch PWNED'.execute()}",
    "$${DOLLAR}",
    "''' + 'touch PWNED'.execute() + '''",
    '""" + 1 + """',
    "\\u0027 + 1 + \\u0027",
    "\\n",
    "// comment",
    "/* comment",
    "*/",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a.b.c",
    "näme",
    "名前",
    "🚀",
    "rtl\u202eoverride",
    "zero\u200bwidth",
    "line\u2028separator",
    "\x07bell",
    "\x1b[31mred",
    "\x7f",
    "\x85next",
    "\ufeffbom",
    "default",
    "cache",
    "stages",
    "image",
    "pages",
    "include",
    "import",
    "class",
    "None",
    "match",
    "a_b",
    "a-b",
    "a b",
    "A_B",
    "mlops-nb-comment",
    "mlops_nb",
    "RUN rm -rf /",
    "FROM scratch",
    "<script>alert(1)</script>",
    "x" * 300,
    "x" * 299 + "y",
    "CON",
    ".hidden",
    "''",
    '""',
    "EOF",
    "MLOPS_NB",
    "%s%n",
    "%(name)s",
    "{0.__class__}",
    "',/**",
    ",",
    ":",
    "=",
    "a=b",
)


def task(name: str, *upstream: str, **more: object) -> Task:
    stem = "".join(char if char.isalnum() else "_" for char in name)[:40]
    values = {
        "kind": TaskKind.NOTEBOOK,
        "source": f"notebooks/{stem}.ipynb",
        "products": (
            Product(path=f"products/{stem}.ipynb", key="nb", is_notebook=True),
            Product(path=f"products/{stem}.csv", key="data"),
        ),
    } | more
    return Task(name=name, upstream=upstream, **values)


def small() -> Pipeline:
    """A diamond with parameters, policies and a name with a space."""
    return Pipeline(
        name="Flights demo",
        root="/project",
        spec="pipeline.yaml",
        tasks=(
            task("ingest", params={"month": 3, "api_key": "s3cret-value"}),
            task("clean", "ingest"),
            task(
                "train_a",
                "clean",
                declared=(Parameter(name="max_depth", type="int", default=6, help="of each tree"),),
                policy=TaskPolicy(timeout=600, retries=1, cpu=2, memory_mb=2048),
            ),
            task("train b", "clean", params={"source": "postgres://me:hunter2@db/x"}),
            task("evaluate", "train_a", "train b"),
        ),
    )


def hostile() -> Pipeline:
    """Every hostile name as a task, as a parameter and as a parameter's value and help."""
    tasks = []
    for number, name in enumerate(HOSTILE):
        upstream = () if number == 0 else (HOSTILE[(number - 1) // 2],)
        tasks.append(
            task(
                name,
                *upstream,
                source=f"notebooks/{number}.ipynb",
                products=(Product(path=f"products/{number}.ipynb", is_notebook=True),),
                params={name: name},
                declared=(Parameter(name=f"p{number}", type=name, default=name, help=name),),
            )
        )
    return Pipeline(
        name=HOSTILE[6], root="/project", spec="pipe'line\n$(x).yaml", tasks=tuple(tasks)
    )


def wide(count: int = 200) -> Pipeline:
    """Layers of ten tasks, each after three of the layer above."""
    tasks = []
    for number in range(count):
        layer, place = divmod(number, 10)
        above = [f"task_{(layer - 1) * 10 + (place + k) % 10}" for k in range(3)] if layer else []
        tasks.append(task(f"task_{number}", *above, params={"alpha": number}))
    return Pipeline(name="wide", root="/project", spec="pipeline.yaml", tasks=tuple(tasks))


def load_yaml(text: str) -> Any:
    """Read YAML as quickly as it goes."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


RECORDER = """\
#!/bin/sh
printf '%s\\0' "$(($# + 1))" "${0##*/}" "$@" >> "$RECORD"
"""


def read_record(file: Path) -> list[list[str]]:
    """Return what the recorders have noted: a count, then that many words."""
    words = file.read_bytes().decode().split("\0")
    commands = []
    while words[0]:
        count = int(words[0])
        commands.append(words[1 : count + 1])
        words = words[count + 1 :]
    return commands


def record_commands(
    scripts: list[str], folder: Path, *, shell: str = "sh", env: dict[str, str] | None = None
) -> list[list[str]]:
    """Run scripts with recorders in place of the programs; return each program's words.

    The folder must hold nothing but what the recorders wrote afterwards: nothing else was run.
    """
    programs = folder / "bin"
    work = folder / "work"
    programs.mkdir(parents=True)
    work.mkdir()
    for name in ("mlops-nb", "python", "pip"):
        file = programs / name
        file.write_text(RECORDER)
        file.chmod(0o755)
    record = folder / "record"
    record.touch()
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "RECORD": str(record), "HOME": str(work)}
    for script in scripts:
        done = subprocess.run(
            [shell, "-e"],
            input=script.encode(),
            cwd=work,
            env=environment | (env or {}),
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == 0, (script, done.stderr.decode())
    assert list(work.iterdir()) == [], "a name was executed"
    return read_record(record)


def tasks_run(commands: list[list[str]]) -> list[str]:
    """Return the tasks that ``mlops-nb run`` was given."""
    names: list[str] = []
    for words in commands:
        if words[:2] == ["mlops-nb", "run"]:
            rest = words[3:] if words[2:3] == ["--params-from-env"] else words[2:]
            names += rest[1:] if rest[:1] == ["--"] else rest
    return names
