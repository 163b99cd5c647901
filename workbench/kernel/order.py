"""Which results on the screen no longer follow from the cells above them.

Cells run in any order, and a cell can be changed after others used its names. This keeps what each run
of a cell defined and used, and says when a run from top to bottom would give something else.
"""

import ast
import builtins
import symtable
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workbench.notebook.document import parse_cell

__all__ = ["CellNames", "ExecutionOrder", "Finding", "names_of"]

_BUILTINS = frozenset(dir(builtins)) | {"display", "get_ipython", "In", "Out", "exit", "quit"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPOUND = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellNames:
    """The names that a cell defines for others, and those it takes from others."""

    defines: frozenset[str]
    uses: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a run from top to bottom would do differently."""

    kind: str  # "from_below", "changed", "deleted", "stale"
    text: str
    cells: tuple[str, ...]  # ids of the cells it is about


@dataclass(slots=True)
class _Run:
    count: int  # the number in brackets beside the cell
    source: str
    names: CellNames
    takes: dict[str, int] = field(default_factory=dict)  # name: the count of the run it came from


class ExecutionOrder:
    """What ran so far, by cell id."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._owners: dict[str, str] = {}  # name: id of the cell that defined it last
        self._defined_at: dict[str, int] = {}  # name: count of the run that defined it last

    def ran(
        self,
        cell_id: str,
        source: str,
        *,
        count: int,
        cells: Sequence[tuple[str, str]] = (),
    ) -> list[Finding]:
        """Record a run that ended well, and say what is not in order now.

        Parameters
        ----------
        cells
            Id and source of each code cell of the notebook as saved, in order; unknown positions are not
            judged.
        """
        names = names_of(source)
        before = self._runs.get(cell_id)
        run = _Run(count=count, source=source, names=names)
        positions = {name: place for place, (name, _) in enumerate(cells)}
        saved = dict(cells)
        found = self._about_its_own(cell_id, run, positions, saved)
        for name in names.uses:
            if name in self._defined_at:
                run.takes[name] = self._defined_at[name]
        changed = names.defines | (before.names.defines if before is not None else frozenset())
        for name in names.defines:
            self._owners[name] = cell_id
            self._defined_at[name] = count
        self._runs[cell_id] = run
        found.extend(self._about_others(cell_id, changed, positions))
        return found

    def _about_its_own(
        self, cell_id: str, run: _Run, positions: Mapping[str, int], saved: Mapping[str, str]
    ) -> list[Finding]:
        found = []
        for name in sorted(run.names.uses):
            owner = self._owners.get(name)
            if owner is None or owner == cell_id:
                continue
            other = self._runs[owner]
            if positions and owner not in positions and cell_id in positions:
                text = f"“{name}” comes from cell [{other.count}], which is not in the notebook any more"
                found.append(Finding(kind="deleted", text=text, cells=(cell_id, owner)))
            elif owner in positions and cell_id in positions and positions[owner] > positions[cell_id]:
                text = f"“{name}” comes from cell [{other.count}] further down"
                found.append(Finding(kind="from_below", text=text, cells=(cell_id, owner)))
            elif owner in saved and saved[owner].strip() != other.source.strip():
                text = f"“{name}” comes from cell [{other.count}], which was changed and not run since"
                found.append(Finding(kind="changed", text=text, cells=(cell_id, owner)))
        return found

    def _about_others(
        self, cell_id: str, changed: frozenset[str], positions: Mapping[str, int]
    ) -> list[Finding]:
        stale: dict[str, set[str]] = {}
        for other_id, other in self._runs.items():
            if other_id == cell_id or (positions and other_id not in positions):
                continue
            below = positions.get(other_id, -1) > positions.get(cell_id, len(positions))
            if positions and not below:
                continue  # a cell above does not depend on this one in a run from top to bottom
            taken = {name for name in changed & other.names.uses if name in other.takes}
            if taken:
                stale[other_id] = taken
        if not stale:
            return []
        counts = ", ".join(f"[{self._runs[name].count}]" for name in sorted(stale, key=self._count))
        names = ", ".join(f"“{name}”" for name in sorted(set().union(*stale.values())))
        text = f"cells {counts} used earlier values of {names}: run them again"
        return [Finding(kind="stale", text=text, cells=(cell_id, *sorted(stale, key=self._count)))]

    def _count(self, cell_id: str) -> int:
        return self._runs[cell_id].count


def names_of(source: str) -> CellNames:
    """The names that a cell's code defines and uses; none for code that is not Python."""
    tree = parse_cell(source)
    if tree is None:
        return CellNames(defines=frozenset(), uses=frozenset())
    defined: set[str] = set()
    used: set[str] = set()
    for statement in tree.body:
        stores, loads = _of_statement(statement)
        used |= loads - defined
        defined |= stores
    return CellNames(defines=frozenset(defined), uses=frozenset(used - _BUILTINS))


def _of_statement(statement: ast.stmt) -> tuple[set[str], set[str]]:
    try:
        table = symtable.symtable(ast.unparse(statement), "<cell>", "exec")
    except SyntaxError:  # top-level await, return outside a function
        table = symtable.symtable(
            "async def _():\n" + "\n".join(f"    {line}" for line in ast.unparse(statement).splitlines()),
            "<cell>",
            "exec",
        ).get_children()[0]
    stores, loads = set(), set()
    for symbol in table.get_symbols():
        name = symbol.get_name()
        if symbol.is_assigned() or symbol.is_imported():
            stores.add(name)
        if symbol.is_referenced() and not (name in stores and isinstance(statement, _COMPOUND)):
            loads.add(name)
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        loads.add(statement.target.id)
    own = stores if isinstance(statement, (*_COMPOUND, *_DEFINITIONS)) else set()
    return stores, loads | _inner_globals(table, own=own)


def _inner_globals(table: symtable.SymbolTable, *, own: set[str]) -> set[str]:
    found: set[str] = set()
    for child in table.get_children():
        for symbol in child.get_symbols():
            if symbol.is_referenced() and symbol.is_global() and symbol.get_name() not in own:
                found.add(symbol.get_name())
        found |= _inner_globals(child, own=own)
    return found
