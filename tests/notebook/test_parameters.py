"""Parameters become code in a cell, so only declared names and plain values may pass."""

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from papermill.translators import papermill_translators

from tests.notebook.conftest import NotebookFile
from workbench.errors import BadInputError
from workbench.notebook import Notebook, declared_parameters, notebook_from, validate_parameters

CELL = """
fast = 10  # bars
risk = 0.01
name = "x"
live = False
days: list[int] = [1, 2]
costs = {"spread": 1.5}
start: str | None = None
first, second = 1, 2
computed = fast * 2
__secret = 1
import os
"""


def _notebook(source: str = CELL) -> Notebook:
    from nbformat.v4 import new_code_cell, new_notebook

    return notebook_from(new_notebook(cells=[new_code_cell(source, metadata={"tags": ["parameters"]})]))


def test_top_level_assignments_of_plain_values_are_the_parameters() -> None:
    found = declared_parameters(_notebook())
    assert {name: (item.kind, item.optional) for name, item in found.items()} == {
        "fast": ("int", False),
        "risk": ("float", False),
        "name": ("str", False),
        "live": ("bool", False),
        "days": ("list", False),
        "costs": ("dict", False),
        "start": ("str", True),
    }


def test_good_values_pass_and_whole_numbers_become_floats_where_the_default_is_one() -> None:
    given = {"fast": 12, "risk": 1, "days": [3], "start": None, "name": "EUR/USD", "live": True}
    checked = validate_parameters(_notebook(), given)
    assert checked == given
    assert type(checked["risk"]) is float


INJECTIONS = [
    "fast = 1; import os",
    "fast\nimport os",
    "fast=1#",
    "__import__('os')",
    "__builtins__",
    "os.system",
    "fast ",
    " fast",
    "",
    "1fast",
    "fast[0]",
    "class",
    "None",
    "ﬁast",  # a ligature that Python would read as "fiast"
    "fаst",  # a Cyrillic letter
    "%run",
    "!ls",
    "{fast}",
    "fast\x00",
]


@pytest.mark.parametrize("name", INJECTIONS)
def test_a_name_that_is_no_plain_identifier_is_refused(name: str) -> None:
    with pytest.raises(BadInputError):
        validate_parameters(_notebook(), {name: 1})


def test_a_name_that_the_cell_does_not_declare_is_refused_with_those_it_does() -> None:
    with pytest.raises(BadInputError, match="no parameter 'slow'; it declares: fast, risk, name"):
        validate_parameters(_notebook(), {"slow": 1})


@pytest.mark.parametrize("name", ["computed", "first", "os", "__secret"])
def test_names_that_the_cell_computes_or_hides_are_no_parameters(name: str) -> None:
    with pytest.raises(BadInputError, match=name):
        validate_parameters(_notebook(), {name: 1})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("fast", "10", "expected int as its default 10, found str '10'"),
        ("fast", 1.5, "expected int"),
        ("fast", True, "expected int"),
        ("fast", None, "expected int, found None"),
        ("fast", 2**70, "64 bits"),
        ("live", 1, "expected bool"),
        ("risk", float("nan"), "finite"),
        ("risk", float("inf"), "finite"),
        ("risk", "__import__('os')", "expected float"),
        ("name", b"x", "plain value"),
        ("name", "a\x00b", "null"),
        ("name", "\ud800", "surrogate"),
        ("name", "x" * 20_000, "characters"),
        ("days", ["1"], "list of int"),
        ("days", (1, 2), "plain value"),
        ("days", [[[[[[[1]]]]]]], "levels"),
        ("costs", {1: 2}, "text as keys"),
        ("costs", {"a": {1, 2}}, "plain value"),
        ("costs", {"a": object()}, "plain value"),
        ("start", 5, "expected str"),
    ],
)
def test_a_value_that_is_not_plain_or_not_of_the_defaults_type_is_refused(
    name: str, value: Any, words: str
) -> None:
    with pytest.raises(BadInputError, match=words):
        validate_parameters(_notebook(), {name: value})


class Sneaky(str):
    """Text that would write itself as code."""

    def __repr__(self) -> str:
        return "__import__('os').system('true')"


def test_subclasses_of_plain_types_are_refused() -> None:
    with pytest.raises(BadInputError, match="plain value"):
        validate_parameters(_notebook(), {"name": Sneaky("x")})


CODE_IN_TEXT = [
    '"; import os; os._exit(1); "',
    "'; import os; '",
    "\\",
    '\\"; import os #',
    "\\\\",
    "\n\nimport os",
    "\r\nimport os",
    '"""',
    "{__import__('os')}",
    "${HOME}",
    "%run x",
    "\u2028import os",
    "\x1b[31m",
]
plain_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text
    | st.sampled_from(CODE_IN_TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_text, inner, max_size=3),
    max_leaves=6,
)


@given(value=values)
def test_what_passes_becomes_one_assignment_of_that_very_value(value: Any) -> None:
    checked = validate_parameters(_notebook("anything = None"), {"anything": value})
    translator = papermill_translators.find_translator("python3", "python")
    (statement,) = ast.parse(translator.codify(checked, "Parameters")).body
    assert isinstance(statement, ast.Assign)
    assert [target.id for target in statement.targets if isinstance(target, ast.Name)] == ["anything"]
    assert repr(ast.literal_eval(statement.value)) == repr(value)


def test_a_parameters_cell_that_is_not_python_is_named(notebook_file: NotebookFile) -> None:
    with pytest.raises(BadInputError, match=r"parameters cell \(cell 1\) is not valid Python"):
        validate_parameters(_notebook("fast = = 1"), {"fast": 1})
