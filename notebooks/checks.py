"""Checks of tables that keep the rows which fail them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


class CheckFailed(Exception):
    """Some checks did not pass; the message shows each one with its first offending rows."""


@dataclass(frozen=True)
class Result:
    """One check and what it found."""

    group: str
    check: str
    found: int
    """Rows, or things, that break the rule."""
    of: int
    rows: pd.DataFrame = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether nothing breaks the rule."""
        return self.found == 0


class Checks:
    """Collects checks, so that one run tells all that is wrong and not only the first thing."""

    def __init__(self) -> None:
        self.results: list[Result] = []

    def rows(self, group: str, check: str, table: pd.DataFrame, bad: pd.Series) -> None:
        """Check that no row is bad; the bad ones are kept."""
        self.results.append(Result(group, check, int(bad.sum()), len(table), table[bad]))

    def columns(self, group: str, table: pd.DataFrame, expected: dict[str, str]) -> None:
        """Check that the table has these columns of these kinds: number, text, time or flag."""
        for name, kind in expected.items():
            actual = _kind(table[name]) if name in table else "missing"
            rows = pd.DataFrame({"column": [name], "expected": [kind], "actual": [actual]})
            found = int(actual != kind)
            self.results.append(Result(group, f"{name} holds {kind}", found, 1, rows))

    def between(
        self, group: str, table: pd.DataFrame, limits: dict[str, tuple[float, float]]
    ) -> None:
        """Check that values which are not null lie between limits, both included."""
        for name, (low, high) in limits.items():
            bad = table[name].notna() & ~table[name].between(low, high)
            self.rows(group, f"{name} between {low:g} and {high:g}", table, bad)

    def summary(self) -> pd.DataFrame:
        """Return one row a check."""
        return pd.DataFrame(
            {
                "group": [result.group for result in self.results],
                "check": [result.check for result in self.results],
                "found": [result.found for result in self.results],
                "of": [result.of for result in self.results],
                "passed": [result.passed for result in self.results],
            }
        )

    def require(self) -> None:
        """Raise unless every check passed.

        Raises
        ------
        CheckFailed
            Names each failed check and shows its first five rows.
        """
        failed = [result for result in self.results if not result.passed]
        if failed:
            parts = [f"{len(failed)} of {len(self.results)} checks failed"]
            for result in failed:
                head = (
                    f"{result.group}: {result.check} - not so in {result.found:,} of {result.of:,}"
                )
                parts.append(f"{head}\n{result.rows.head(5).to_string()}")
            raise CheckFailed("\n\n".join(parts))


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "flag"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "time"
    return "text"
