from __future__ import annotations

from mlops_nb.cli import output


def test_sizes_and_durations_are_told_in_units_that_show_something() -> None:
    sizes = (0, 800, 1536, 2**20, 2**31)
    assert [output.size(count) for count in sizes] == [
        "0 B",
        "800 B",
        "1.5 KiB",
        "1.0 MiB",
        "2,048.0 MiB",
    ]
    moments = (0.04, 12.3, 185.0, 3720.0)
    assert [output.seconds(value) for value in moments] == [
        "0.0 s",
        "12 s",
        "3 min 05 s",
        "1 h 02 min",
    ]
