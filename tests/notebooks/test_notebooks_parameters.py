from __future__ import annotations

import datetime
import math
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_nb.errors import NotebookError, ParameterError
from mlops_nb.model import Parameter
from mlops_nb.notebooks.inject import injected_source
from mlops_nb.notebooks.parameters import check_value, infer_parameters, inject, parse_value
from mlops_nb.notebooks.types import json_of, parse_type, source_of


def book(source, *cells, language="python", kernel="python3"):
    v4 = nbformat.v4
    first = v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    return v4.new_notebook(
        cells=[v4.new_markdown_cell("# Title"), first, *[v4.new_code_cell(one) for one in cells]],
        metadata={"kernelspec": {"name": kernel, "language": language, "display_name": "K"}},
    )


def declared(source):
    return {parameter.name: parameter for parameter in infer_parameters(book(source))}


def test_what_regular_expressions_get_wrong():
    found = declared(
        '''
import datetime
url = "http://x/?a=1&b=2"  # two = signs
count: "int | None" = 3  # quoted
rate: typing.Optional[float] = None
hash_ = "a # b"  # help # more
pair = (1, 2)
names: dict[int, str] = {1: "a", -2: "b"}
low = -3
many = [
    1,
    2,  # inside
]  # over lines
text = """a
b = 1  # no parameter
"""
later: int
computed = 3 * 4
folder = Path("data")
day = datetime.date(2013, 1, 1)
a = b = 1
if True:
    hidden = 1
'''
    )
    assert found["url"].default == "http://x/?a=1&b=2"
    assert found["url"].help == "two = signs"
    assert (found["count"].type, found["count"].default) == ("int | None", 3)
    assert (found["rate"].type, found["rate"].default) == ("typing.Optional[float]", None)
    assert (found["hash_"].default, found["hash_"].help) == ("a # b", "help # more")
    assert (found["pair"].type, found["pair"].default) == ("tuple[int, int]", [1, 2])
    assert found["names"].default == {"1": "a", "-2": "b"}
    assert found["low"].default == -3
    assert (found["many"].default, found["many"].help) == ([1, 2], "over lines")
    assert found["text"].default == "a\nb = 1  # no parameter\n"
    assert not found["later"].literal
    assert (found["computed"].literal, found["computed"].type) == (False, "Any")
    assert (found["folder"].literal, found["folder"].type) == (False, "Path")
    assert found["day"].type == "datetime.date"
    assert not {"a", "b", "hidden", "datetime"} & found.keys()


def test_upstream_and_product_are_nobodys_parameters():
    assert set(declared("upstream = ['a']\nproduct = None\nx = 1")) == {"x"}


def test_the_last_assignment_decides():
    assert declared("x = 1\ny = 2\nx = 'b'")["x"].default == "b"


def test_magics_in_the_parameters_cell():
    assert declared("%matplotlib inline\nx = 1\n!ls\n")["x"].default == 1


def test_a_notebook_without_or_with_a_broken_cell():
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")])
    assert infer_parameters(plain) == ()
    with pytest.raises(NotebookError, match='no cell is tagged "parameters"'):
        infer_parameters(plain, required=True)
    with pytest.raises(NotebookError, match=r"not plain Python \(line 2"):
        infer_parameters(book("x = 1\ny = = 2"))
    with pytest.raises(NotebookError, match="cell magic"):
        infer_parameters(book("%%bash\nx=1"))


def test_other_languages_by_line():
    nb = book('x <- 3 # rows\nname = "a"\nf <- c(1, 2)\nok <- TRUE\n', language="R", kernel="ir")
    found = {parameter.name: parameter for parameter in infer_parameters(nb)}
    assert (found["x"].default, found["x"].help) == (3, "rows")
    assert found["name"].default == "a"
    assert not found["f"].literal
    assert found["ok"].default is True


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "3", 3),
        ("int", "-3", -3),
        ("float", "0.5", 0.5),
        ("float", "3", 3.0),
        ("float", "1e-3", 0.001),
        ("float", "nan", "nan"),
        ("bool", "true", True),
        ("bool", "False", False),
        ("str", "3", "3"),
        ("str", "true", "true"),
        ("str", "a b", "a b"),
        ("str | None", "none", None),
        ("str | None", "'none'", "none"),
        ("str | None", "abc", "abc"),
        ("Optional[int]", "null", None),
        ("int | str", "3", 3),
        ("int | str", "x", "x"),
        ("float | None", "2", 2.0),
        ("list[int]", "[1, 2]", [1, 2]),
        ("tuple[int, int]", "(1, 2)", [1, 2]),
        ("tuple[int, ...]", "[1, 2, 3]", [1, 2, 3]),
        ("set[str]", '["b", "a"]', ["a", "b"]),
        ("dict[int, str]", '{"1": "a"}', {"1": "a"}),
        ("dict", "{1: 'a'}", {"1": "a"}),
        ("list", '[{"a": null}]', [{"a": None}]),
        ("datetime.date", "2013-01-31", "2013-01-31"),
        ("datetime", "2013-01-31T10:00", "2013-01-31T10:00:00"),
        ("Path", "data/x.csv", "data/x.csv"),
        ("Literal['a', 'b']", "b", "b"),
        ("Literal[1, 2]", "2", 2),
        ("Any", "3", 3),
        ("Any", "none", None),
        ("Any", "abc", "abc"),
        ("Any", "[1, 'a']", [1, "a"]),
        ("pd.DataFrame", "abc", "abc"),
    ],
)
def test_text_is_read_by_type(kind, text, value):
    read = parse_value(Parameter(name="x", type=kind), text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text", "fix"),
    [
        ("int", "abc", "give a value"),
        ("int", "0.5", 'annotate it as "float"'),
        ("int", "none", 'annotate it as "int | None"'),
        ("int", "true", "give a value"),
        ("bool", "1", "give a value"),
        ("bool", "yes", "give a value"),
        ("list[int]", "[1, 'a']", "give a value"),
        ("list[int]", "3", "give a value"),
        ("dict[int, str]", '{"a": "b"}', "give a value"),
        ("datetime.date", "2013-13-01", "give a value"),
        ("Literal['a', 'b']", "c", "give a value"),
        ("float", "abc", "give a value"),
        ("int | None", "x", "give a value"),
    ],
)
def test_text_of_the_wrong_type(kind, text, fix):
    with pytest.raises(ParameterError, match=r'parameter "depth"') as caught:
        parse_value(Parameter(name="depth", type=kind), text)
    assert caught.value.fix.startswith(fix)


def test_values_are_checked_too():
    assert check_value(Parameter(name="x", type="float"), 3) == 3.0
    assert check_value(Parameter(name="x", type="datetime.date"), datetime.date(2013, 1, 2)) == (
        "2013-01-02"
    )
    with pytest.raises(ParameterError):
        check_value(Parameter(name="x", type="int"), "3")
    with pytest.raises(ParameterError):
        check_value(Parameter(name="x", type="str"), 3)


def test_injection_keeps_types_and_the_notebook():
    nb = book(
        "import datetime\nfrom pathlib import Path\n"
        "pair = (1, 2)\nnames = {1: 'a'}\nkinds: set[str] = {'x'}\nday = datetime.date(2013, 1, 1)\n"
        "folder = Path('.')\nrate: float = 1\nwhen: datetime.date = '2013-01-01'\nfree = None",
        "result = (pair, names, kinds, day, folder, rate, when, free, product)",
    )
    values = {
        "pair": [3, 4],
        "names": {"5": "b"},
        "kinds": ["y", "z"],
        "day": "2014-02-03",
        "folder": "data/x",
        "rate": 3,
        "when": "2014-01-01",
        "free": {"a": [1.5, None, True]},
        "product": {"nb": "/x/{y}.ipynb"},
    }
    before = nbformat.writes(nb)
    made = inject(nb, values)
    assert nbformat.writes(nb) == before
    assert [cell.metadata.get("tags", []) for cell in made.cells] == [
        [],
        ["parameters"],
        ["injected-parameters"],
        [],
    ]
    space: dict = {}
    for cell in made.cells:
        if cell.cell_type == "code":
            exec(cell.source, space)
    pair, names, kinds, day, folder, rate, when, free, product = space["result"]
    assert (pair, names, kinds) == ((3, 4), {5: "b"}, {"y", "z"})
    assert (day, folder, when) == (datetime.date(2014, 2, 3), Path("data/x"), "2014-01-01")
    assert (rate, type(rate)) == (3.0, float)
    assert (free, product) == (values["free"], values["product"])
    nbformat.validate(made)


def test_injecting_again_replaces():
    once = inject(book("x = 1"), {"x": 2})
    twice = inject(once, {"x": 3})
    assert [cell.source for cell in twice.cells] == ["# Title", "x = 1", "# Parameters\nx = 3"]
    assert [cell.source for cell in inject(twice, {}).cells] == ["# Title", "x = 1"]
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    assert inject(plain, {"x": 1}).cells[0].metadata.tags == ["injected-parameters"]


def test_injection_in_other_languages():
    nb = book("x <- 1", language="R", kernel="ir")
    assert injected_source(nb, {"x": 3, "ok": True}) == "# Parameters\nx = 3\nok = TRUE\n"
    odd = book("x = 1", language="cobol", kernel="cobol")
    with pytest.raises(NotebookError, match="cobol"):
        inject(odd, {"x": 1})


keys = st.one_of(st.text(max_size=5), st.integers())
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=12)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.integers(), inner, max_size=3),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(value=values)
@settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
def test_a_default_survives_json_and_injection(value):
    """Declared by a cell, taken through JSON, injected and executed: the same value and types."""
    source = f"x = {source_of(value)}"
    (parameter,) = infer_parameters(book(source))
    made = injected_source(book(source), {"x": json_of_checked(parameter, value)})
    space: dict = {}
    exec(made, space)
    back = space["x"]
    if is_typed(value):
        assert repr(back) == repr(value)


def json_of_checked(parameter, value):
    return check_value(parameter, json_of(value))


def is_typed(value):
    """Whether the inferred type tells everything: items of one type all the way down."""
    if isinstance(value, list | dict):
        items = list(value.values()) if isinstance(value, dict) else value
        kinds = {type(item) for item in items}
        plain = all(not isinstance(item, list | tuple | dict) for item in items)
        return (len(kinds) <= 1 and plain) and bool(items)
    if isinstance(value, tuple):
        return all(is_typed(item) for item in value)
    return not (isinstance(value, float) and not math.isfinite(value))


def test_types_that_are_read():
    assert parse_type("list[int] | None").accepts_none()
    assert not parse_type("list[int]").accepts_none()
    assert parse_type("Annotated[int, 'x']").name == "int"
    assert parse_type("not a type (").name == "any"
    assert parse_type("Union[int, None, 'str']").accepts_none()
