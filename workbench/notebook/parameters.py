"""A notebook's parameters: names its parameters cell declares, plain values of the default's type.

What passes here is pasted into a cell as code by papermill, so nothing but plain values may pass.
"""

import ast
import keyword
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import BadInputError
from workbench.notebook.document import Notebook, parse_cell

__all__ = ["Parameter", "declared_parameters", "validate_parameters"]

_LONGEST_TEXT = 10_000  # characters
_DEEPEST = 5  # levels of lists and dictionaries
_LARGEST = 10_000  # entries of a list or dictionary
_INT_BITS = 64

_KINDS: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One name that the parameters cell sets."""

    name: str
    default: Any
    kind: str  # int, float, str, bool, list, dict, or any
    optional: bool = False  # None is allowed


def declared_parameters(notebook: Notebook) -> dict[str, Parameter]:
    """The parameters that the notebook declares, in order.

    A parameter is a top-level assignment of a plain value, as in ``fast = 10`` or
    ``first: str | None = None``; other lines of the cell are not parameters.

    Raises
    ------
    NoParametersCellError
        Not exactly one cell is tagged `parameters`.
    BadInputError
        The cell is not Python.
    """
    cell = notebook.parameters_cell
    tree = parse_cell(cell.source)
    if tree is None:
        raise BadInputError(
            f"{notebook.path.name}: the parameters cell (cell {cell.number}) is not valid Python; correct it"
        )
    found: dict[str, Parameter] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value, annotation = statement.targets, statement.value, None
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value, annotation = [statement.target], statement.value, statement.annotation
        else:
            continue
        try:
            default = ast.literal_eval(value)
        except (ValueError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(default, tuple):
            default = list(default)
        for target in targets:
            if isinstance(target, ast.Name) and not target.id.startswith("__"):
                kind, optional = _kind_of(default, annotation)
                found[target.id] = Parameter(
                    name=target.id, default=default, kind=kind, optional=optional or default is None
                )
    return found


def validate_parameters(notebook: Notebook, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters, checked and in the types that the notebook declares.

    Whole numbers are taken for floats; nothing else is converted.

    Raises
    ------
    BadInputError
        A name that is not an identifier or not declared, or a value that is not plain or not of the
        default's type; the message names the parameter, what was expected and what was found.
    """
    declared = declared_parameters(notebook)
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if not isinstance(name, str) or not name.isidentifier() or not name.isascii():
            raise BadInputError(f"expected a parameter's name to be a plain identifier, found {name!r}")
        if keyword.iskeyword(name) or name.startswith("__"):
            raise BadInputError(f"a parameter can not be called {name!r}")
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise BadInputError(
                f"{notebook.path.name} declares no parameter {name!r}; it declares: {known}. "
                "Set it in the parameters cell or leave it out"
            )
        checked[name] = _checked(declared[name], value)
    return checked


def _checked(parameter: Parameter, value: Any) -> Any:
    _require_plain(parameter.name, value, depth=0)
    if value is None:
        if parameter.optional:
            return None
        raise BadInputError(f"parameter {parameter.name}: expected {parameter.kind}, found None")
    if parameter.kind == "any":
        return value
    if parameter.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = _KINDS[parameter.kind]
    if isinstance(value, bool) != (expected is bool) or not isinstance(value, expected):
        raise BadInputError(
            f"parameter {parameter.name}: expected {parameter.kind} as its default {parameter.default!r}, "
            f"found {type(value).__name__} {_short(value)}"
        )
    if isinstance(value, list) and isinstance(parameter.default, list):
        return _checked_items(parameter, value)
    return value


def _checked_items(parameter: Parameter, value: list[Any]) -> list[Any]:
    kinds = {type(item) for item in parameter.default}
    if len(kinds) != 1:  # an empty or mixed default says nothing of the items
        return value
    (kind,) = kinds
    items = []
    for item in value:
        if kind is float and type(item) is int:
            items.append(float(item))
        elif type(item) is kind:
            items.append(item)
        else:
            raise BadInputError(
                f"parameter {parameter.name}: expected a list of {kind.__name__}, "
                f"found the item {_short(item)} of type {type(item).__name__}"
            )
    return items


def _require_plain(name: str, value: Any, *, depth: int) -> None:
    if depth > _DEEPEST:
        raise BadInputError(f"parameter {name}: expected at most {_DEEPEST} levels of lists, found more")
    if value is None or type(value) is bool:
        return
    if type(value) is int:
        if value.bit_length() >= _INT_BITS:
            raise BadInputError(f"parameter {name}: expected a whole number of 64 bits, found a larger one")
        return
    if type(value) is float:
        if not math.isfinite(value):
            raise BadInputError(f"parameter {name}: expected a finite number, found {value}")
        return
    if type(value) is str:
        _require_text(name, value)
        return
    if type(value) is list or type(value) is dict:
        if len(value) > _LARGEST:
            raise BadInputError(f"parameter {name}: expected at most {_LARGEST} entries, found {len(value)}")
        for key in value if type(value) is dict else ():
            if type(key) is not str:
                raise BadInputError(f"parameter {name}: expected text as keys, found {_short(key)}")
            _require_text(name, key)
        for item in value.values() if type(value) is dict else value:
            _require_plain(name, item, depth=depth + 1)
        return
    raise BadInputError(
        f"parameter {name}: expected a plain value (text, number, true or false, list, dictionary), "
        f"found {type(value).__name__}"
    )


def _require_text(name: str, text: str) -> None:
    if len(text) > _LONGEST_TEXT:
        raise BadInputError(
            f"parameter {name}: expected at most {_LONGEST_TEXT} characters, found {len(text)}"
        )
    if "\x00" in text or any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise BadInputError(f"parameter {name}: expected readable text, found a null or surrogate character")


def _kind_of(default: Any, annotation: ast.expr | None) -> tuple[str, bool]:
    """Kind and whether None is allowed; an annotation says more than a default of None."""
    optional = False
    if annotation is not None:
        names, optional = _annotated(annotation)
        if len(names) == 1:
            return names[0], optional
        if names:
            return "any", optional
    for kind, python_type in _KINDS.items():
        if type(default) is python_type:
            return kind, optional
    return "any", optional


def _annotated(annotation: ast.expr) -> tuple[list[str], bool]:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return _annotated(ast.parse(annotation.value, mode="eval").body)
        except SyntaxError:
            return [], False
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return [], True
    if isinstance(annotation, ast.Name) and annotation.id in _KINDS:
        return [annotation.id], False
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        left, left_optional = _annotated(annotation.left)
        right, right_optional = _annotated(annotation.right)
        return [*left, *right], left_optional or right_optional
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
        if annotation.value.id == "Optional":
            names, _ = _annotated(annotation.slice)
            return names, True
        if annotation.value.id in _KINDS:
            return [annotation.value.id], False
    return [], False


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
