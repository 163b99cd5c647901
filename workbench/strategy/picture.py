"""Rules as a picture: what is read on the left, what is decided on the right, as SVG.

Equal expressions are one box. Lines and fills are of middle tones and the text takes the page's own colour,
so that it reads on light and on dark ground.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from workbench.indicators import indicators
from workbench.strategy.entries import AtMarket, BySide, Level
from workbench.strategy.expressions import Expr
from workbench.strategy.rendering import to_text, view_text
from workbench.strategy.rules import Rules, sides

__all__ = ["to_svg"]

MAX_BOXES = 150
_ROW, _GAP, _HEIGHT, _MARGIN = 34, 44, 24, 10
_LETTER, _PADDING, _MOST = 7.0, 9, 34  # width of a letter, space beside the text, letters of a box
_SIGNS = {
    "add": "+", "sub": "−", "mul": "×", "div": "÷", "lt": "<", "le": "≤", "gt": ">", "ge": "≥",
    "eq": "=", "ne": "≠", "and": "and", "or": "or", "not": "not", "neg": "−",
    "min": "lesser", "max": "greater", "crosses_above": "crosses above", "crosses_below": "crosses below",
}  # fmt: skip
_COLOURS = {"read": "#7a8794", "number": "#3b82c4", "truth": "#2e9e6b", "decision": "#c9821f"}


@dataclass(slots=True)
class _Box:
    text: str
    colour: str
    of: list[str] = field(default_factory=list)  # keys of the boxes it is made from, in order
    title: str = ""
    column: int = 0
    row: float = 0.0


def to_svg(item: Rules | Expr, *, title: str = "") -> str:
    """The picture of rules, or of one expression; text alone where there are too many boxes for one."""
    boxes: dict[str, _Box] = {}
    if isinstance(item, Rules):
        for name, text, parts in _decisions(item):
            keys = [_collect(part, boxes) for part in parts]
            boxes[f"decision {name}"] = _Box(text, "decision", keys, f"{name}: {text}")
    else:
        _collect(item, boxes)
    if len(boxes) > MAX_BOXES:
        return f"<pre>{escape(repr(item))}</pre>"
    return _drawn(boxes, title or ("Rules" if isinstance(item, Rules) else "Expression"))


def _decisions(rules: Rules) -> Iterator[tuple[str, str, list[Expr]]]:
    """Name, text and expressions of everything that the rules declare."""
    for name, value in rules.settings():
        label = name.replace("_", " ")
        if isinstance(value, Expr):
            yield name, label, [value]
            continue
        both = (
            [("", value)]
            if not isinstance(value, BySide)
            else zip(("long", "short"), sides(value), strict=True)
        )
        for side, part in both:
            if part is None:
                continue
            where = f"{label} {side}".strip()
            if isinstance(part, Expr):
                yield where, where, [part]
            elif isinstance(part, Level):
                yield where, f"{where} at", [part.level]
            elif hasattr(part, "level"):
                kind = {"LimitAt": "limit", "StopAt": "stop", "TouchAt": "touch"}[type(part).__name__]
                yield where, f"{where}: {kind} at", [part.level]
            elif hasattr(part, "when"):
                yield where, f"{where} by {part.fraction:.0%}, {part.times}×", [part.when]
            elif isinstance(part, AtMarket):
                yield where, f"{where}: at market", []
            elif name in ("size", "add_size"):
                volatility = rules.columns()["volatility" if name == "size" else "add_volatility"]
                short = repr(part) if volatility is None else f"volatility target {part.annual:.0%}"
                yield where, f"{where}: {short}", [] if volatility is None else [volatility]
            else:
                yield where, f"{where}: {part:g}", []


def _collect(expr: Expr, boxes: dict[str, _Box]) -> str:
    """Put an expression and what it is made of into `boxes`; its key there."""
    if expr.key not in boxes and len(boxes) <= MAX_BOXES:
        shown = [item for item in _operands(expr) if not _is_constant(item)]
        keys = [_collect(item, boxes) for item in shown]
        colour = "read" if not keys else expr.kind
        boxes[expr.key] = _Box(_label(expr), colour, keys, to_text(expr))
    return expr.key


def _is_constant(item: Expr) -> bool:
    return item.op in ("const", "pips", "level")


def _operands(expr: Expr) -> Sequence[Expr]:
    """The operands that get boxes: an indicator of prices is one itself."""
    found = indicators().get(expr.op)
    if found is None:
        return expr.args
    return [item for name, item in zip(found.inputs, expr.args, strict=True) if name in found.series]


def _label(expr: Expr) -> str:
    data = dict(expr.data)
    if expr.op in ("price", "hour", "weekday", "session", "just_closed", "local") or _is_constant(expr):
        return to_text(expr).removeprefix("bar.")
    constants = [_constant(item) if _is_constant(item) else "" for item in expr.args]
    if expr.op in _SIGNS:
        sign = _SIGNS[expr.op]
        if len(constants) == 2:
            return f"{constants[0]} {sign} {constants[1]}".strip()
        return sign
    if expr.op == "lag":
        return f"{data['n']} bars ago" if data["n"] > 1 else "the bar before"
    name = str(data.get("function", expr.op)) if expr.op == "causal" else expr.op
    found = indicators().get(expr.op)
    if found is not None and found.prices:
        first = dict(expr.args[found.inputs.index(found.prices[0])].data)
        view = view_text(first).removeprefix("bar").removeprefix(".")
        name = " ".join(
            item for item in (name, view, "" if first["side"] == "mid" else first["side"]) if item
        )
    numbers = [f"{value:g}" for value in data.values() if isinstance(value, int | float)]
    output = f" · {data['output']}" if "output" in data else ""
    given = [item for item in constants if item]
    return " ".join([name.replace("_", " "), *given, *numbers]) + output


def _constant(item: Expr) -> str:
    return f"{dict(item.data)['value']:.6g}" if item.op == "const" else to_text(item)


def _drawn(boxes: dict[str, _Box], title: str) -> str:
    columns = _placed(boxes)
    widths = [max((_width(item) for item in column), default=0.0) for column in columns]
    lefts = [_MARGIN + sum(widths[:place]) + place * _GAP for place in range(len(columns))]
    height = 2 * _MARGIN + _ROW * (1 + max((item.row for item in boxes.values()), default=0.0))
    width = lefts[-1] + widths[-1] + _MARGIN if columns else 2 * _MARGIN
    lines, shapes = [], []
    for box in boxes.values():
        x, y = lefts[box.column], _MARGIN + _ROW * box.row + _HEIGHT / 2
        for key in box.of:
            other = boxes[key]
            from_x = lefts[other.column] + (_width(other) if other.text else widths[other.column])
            from_y = _MARGIN + _ROW * other.row + _HEIGHT / 2
            bend = (x - from_x) / 2
            curve = f"{from_x + bend:.1f} {from_y:.1f} {x - bend:.1f} {y:.1f} {x:.1f} {y:.1f}"
            start = f"M{lefts[other.column]:.1f} {from_y:.1f}H" if not other.text else "M"
            end = f"{from_x:.1f}" if not other.text else f"{from_x:.1f} {from_y:.1f}"
            lines.append(f'<path d="{start}{end}C{curve}" stroke="{_COLOURS[other.colour]}"/>')
        if not box.text:
            continue
        colour = _COLOURS[box.colour]
        radius = 12 if box.colour == "read" else 4
        shapes.append(
            f'<g><title>{escape(box.title[:500])}</title><rect x="{x:.1f}" y="{y - _HEIGHT / 2:.1f}" '
            f'width="{_width(box):.1f}" height="{_HEIGHT}" rx="{radius}" fill="{colour}" fill-opacity="0.16" '
            f'stroke="{colour}"/><text x="{x + _PADDING:.1f}" y="{y + 4:.1f}">'
            f"{escape(_cut(box.text))}</text></g>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" style="max-width:100%;height:auto;color:inherit" '
        f'font-family="system-ui, sans-serif" font-size="12"><title>{escape(title)}</title>'
        f'<g fill="none" stroke-width="1.4" stroke-opacity="0.75">{"".join(lines)}</g>'
        f'<g fill="currentColor">{"".join(shapes)}</g></svg>'
    )


def _placed(boxes: dict[str, _Box]) -> list[list[_Box]]:
    """Give every box its column, left of all that is made of it, and its row; the boxes of each column.

    Lines that pass a column get a place of their own in it, a box without a text.
    """
    for box in boxes.values():  # those it is made from come first
        box.column = 1 + max((boxes[key].column for key in box.of), default=-1)
    last = max((box.column for box in boxes.values()), default=0)
    users: dict[str, list[_Box]] = {key: [] for key in boxes}
    for box in boxes.values():
        if box.colour == "decision":
            box.column = last
        for key in box.of:
            users[key].append(box)
    for key, box in reversed(list(boxes.items())):  # move right to just before the first that needs it
        if users[key]:
            box.column = min(item.column for item in users[key]) - 1
    for key, box in list(boxes.items()):
        for column in range(box.column + 1, max((item.column for item in users[key]), default=0)):
            before = f"{key} {column - 1}" if column > box.column + 1 else key
            boxes[f"{key} {column}"] = _Box("", box.colour, [before], column=column)
        for user in users[key]:
            if user.column > box.column + 1:
                user.of = [f"{key} {user.column - 1}" if item == key else item for item in user.of]
    columns: list[list[_Box]] = [[] for _ in range(last + 1)]
    for box in boxes.values():
        columns[box.column].append(box)
    _order_rows(boxes, columns)
    return columns


def _order_rows(boxes: dict[str, _Box], columns: list[list[_Box]]) -> None:
    """Rows near those of the neighbours, the last column in the order it was declared."""
    users: dict[int, list[_Box]] = {id(box): [] for box in boxes.values()}
    for box in boxes.values():
        for key in box.of:
            users[id(boxes[key])].append(box)
    for column in columns:
        for place, box in enumerate(column):
            box.row = float(place)
    for sweep in range(6):
        for column in reversed(columns[:-1]):
            wanted = {id(box): _mean([item.row for item in users[id(box)]], box.row) for box in column}
            if sweep % 2:
                wanted = {
                    id(box): (_mean([boxes[key].row for key in box.of], box.row) + wanted[id(box)]) / 2
                    for box in column
                }
            column.sort(key=lambda box: wanted[id(box)])
            row = 0.0
            for box in column:
                box.row = max(row, wanted[id(box)])
                row = box.row + 1.0
    taken = sorted({box.row for box in boxes.values()})
    moved, gap = dict[float, float](), taken[0] if taken else 0.0
    for before, row in zip([0.0, *taken], taken, strict=False):
        gap += max(0.0, row - before - 1.0) if row != taken[0] else 0.0
        moved[row] = row - gap
    for box in boxes.values():
        box.row = moved[box.row]


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def _width(box: _Box) -> float:
    if not box.text:
        return 0.0
    return len(_cut(box.text)) * _LETTER + 2 * _PADDING
