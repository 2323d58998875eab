"""Which names and values look as if they must not be written into files."""

from __future__ import annotations

import re

__all__ = ["holds_password", "looks_doubtful", "looks_secret"]

_SECRET = re.compile(
    r"(passw(or)?d|passphrase|pwd|secret|token|credential|webhook"
    r"|(^|_)auth(_(header|string|data|code|info))?$"
    r"|(api|access|private|secret|encryption|signing|account|ssh|sas|master|service|license)_?key"
    r")s?(_|\d|$)"
)
_HARMLESS = re.compile(
    # What tells of a secret, or counts the tokens of a text, is none.
    r"(^|_)(max|min|num|n|avg|mean|total)_(\w+_)?tokens?$"
    r"|_(count|limit|pattern|length|len|size|columns?|type|name|path|file|dir|ttl|expiry|days|hours"
    r"|minutes|seconds|budget|ratio|per_[a-z]+)$"
)
_COUNTED = re.compile(r"tokens?(_|\d|$)")
_DOUBTFUL = re.compile(
    r"pass|pwd|secret|token|credential|webhook|cookie|signature"
    r"|(^|_)(auth|key|keys|pin|salt|dsn|cert|session|bearer|login)(_|\d|$)|key$"
)
_PASSWORD_IN_URL = re.compile(r"://[^/\s]*:[^/\s]*@")
_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+=_-]{20,}")


def looks_secret(name: str, *, number: bool = False) -> bool:
    """Whether a parameter or variable is called like something that must not be written down.

    Parameters
    ----------
    name
        In any case, with underscores or hyphens.
    number
        Its value is a number: then ``tokens`` are counted, and ``auth`` is no header.
    """
    snake = _snake(name)
    if _HARMLESS.search(snake):
        return False
    found = [match[0] for match in _SECRET.finditer(snake)]
    if number:
        found = [word for word in found if not _COUNTED.match(word) and "auth" not in word]
    return bool(found)


def looks_doubtful(name: str, value: str) -> bool:
    """Whether a value is better not shown, though its name is not plainly that of a secret."""
    return (
        _DOUBTFUL.search(_snake(name)) is not None
        or ("://" in value and "@" in value)
        or _RANDOM.fullmatch(value) is not None
    )


def holds_password(value: str) -> bool:
    """Whether a text is an address with a password in it."""
    return _PASSWORD_IN_URL.search(value) is not None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
