"""Quotes what people have named, for each language that an exporter writes."""

from __future__ import annotations

import json
from shlex import quote
from typing import TYPE_CHECKING

from mlops_nb.errors import PipelineError
from mlops_nb.export.yamltext import dump_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "command",
    "comment",
    "dockerfile_json",
    "dump_yaml",
    "github_text",
    "groovy",
    "groovy_block",
    "header",
    "shell",
    "shell_words",
]


def shell(word: str) -> str:
    """Return one word for a POSIX shell.

    Raises
    ------
    PipelineError
        The word holds a NUL, which no process can be given.
    """
    if "\0" in word:
        raise PipelineError(f"{word!r} holds a NUL character", fix="rename it")
    return quote(word)


def shell_words(words: Iterable[str]) -> str:
    """Return words as one command line for a POSIX shell."""
    return " ".join(shell(word) for word in words)


def github_text(text: str) -> str:
    """Return a text in which GitHub Actions finds no expression to evaluate."""
    return text.replace("${{", "${{ '${{' }}")


def groovy(text: str) -> str:
    """Return a Groovy string literal in single quotes: no interpolation, on one line.

    Every character outside printable ASCII is written as an escape, since Groovy reads
    ``\\uXXXX`` before anything else.
    """
    out = []
    for char in text:
        code = ord(char)
        if char in "'\\":
            out.append("\\" + char)
        elif 0x20 <= code < 0x7F and char != "$":
            out.append(char)
        elif code == 0x24:
            out.append("\\$")
        else:
            units = char.encode("utf-16-be", "surrogatepass")
            out += [f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2)]
    # \u000a is a line break to the lexer itself, so these two need their short forms.
    body = "".join(out).replace("\\u000a", "\\n").replace("\\u000d", "\\r")
    return f"'{body}'"


def groovy_block(text: str) -> str:
    """Return a Groovy string literal over several lines: no interpolation, lines as they are."""
    lines = [groovy(line)[1:-1].replace("\\$", "$") for line in text.split("\n")]
    return "'''\\\n" + "\n".join(lines) + "\n'''"


def dockerfile_json(words: Iterable[str]) -> str:
    """Return the exec form of a Dockerfile instruction: JSON, on one line, no shell."""
    return json.dumps(list(words))


def comment(text: str, mark: str = "#") -> str:
    """Return a text as comment lines."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in lines)


def command(target: str) -> str:
    """Return the command that makes the files of a target."""
    return f"mlops-nb export {target}"


def header(target: str, spec: str, *, mark: str = "#") -> str:
    """Return the lines that every written file begins with."""
    from mlops_nb.export.naming import title

    return comment(
        f"Made from {title(spec)} by mlops-nb. Do not edit: change the pipeline or\n"
        f"[tool.mlops-nb.export] in pyproject.toml, then run: {command(target)}",
        mark,
    )
