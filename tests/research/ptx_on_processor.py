"""The program that a card would be given, carried out by the processor: each PTX instruction as a line of C.

numba-cuda and NVIDIA's compiler need no card to make PTX, the last form of a kernel before the driver turns
it into the card's own instructions. `install` has the kernels compiled for compute capability 9.0, translates
every instruction by what NVIDIA's "Parallel Thread Execution ISA" says of it (a fused multiply-add stays one,
nothing else is one), has a C compiler compile that, and puts it in the place of the kernels and of the card's
memory. Needs ``pip install 'forex-workbench[gpu]'`` and gcc. An instruction that is not known ends it.
"""

import ctypes
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numba import types

from workbench.research.gpu import card, device_run, kernels

__all__ = ["fused_operations", "install", "ptx_of"]

_i1, _i2, _i3 = (types.Array(types.int64, n, "C") for n in (1, 2, 3))
_f1, _f2 = (types.Array(types.float64, n, "C") for n in (1, 2))
_b1 = types.Array(types.boolean, 1, "C")
_RESULTS = (_i2, _i1, _i1, _i2, _f1, _i2, _i2)
_SIGNATURES = {
    "find_truths": (_f2, types.int64, _i2, _i1, _i1, _b1, _i3),
    "cross_runs": (_i2, _i1, _i1, _i3, *(6 * (_i1,)), _i2, *_RESULTS),
    "trade_runs": (
        *(_i2, _i1, _i1, _i1, _i3, _f1, _i2, _i1, _f1, _i1, _i1, _i1, _i1, _i2, _i1, _i2),
        *_RESULTS,
    ),
}
_INTEGERS = {"s": "int", "u": "uint", "b": "uint"}
_SIMPLE = {"add": "+", "sub": "-", "mul": "*", "and": "&", "or": "|", "xor": "^"}
_COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_PRELUDE = """#include <stdint.h>
#include <string.h>
#include <math.h>
static inline double f64(uint64_t bits) { double x; memcpy(&x, &bits, 8); return x; }
static inline uint64_t bits(double x) { uint64_t b; memcpy(&b, &x, 8); return b; }
static inline int64_t whole(double x) {
  if (x != x) return INT64_MIN;
  if (x >= 9223372036854775808.0) return INT64_MAX;
  if (x < -9223372036854775808.0) return INT64_MIN;
  return (int64_t)x;
}
"""


@cache
def ptx_of(name: str) -> str:
    """The PTX of a kernel for compute capability 9.0."""
    from numba import cuda
    from numba.cuda import dispatcher

    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=(9, 0))
    source = getattr(kernels, f"_{name}")
    text, _ = cuda.compile(source, _SIGNATURES[name], device=False, abi="numba", cc=(9, 0))
    return str(text)


def fused_operations(name: str) -> int:
    """How many fused multiply-adds the PTX of a kernel has."""
    return len(re.findall(r"\bfma\.", ptx_of(name)))


def install() -> None:
    """Let the processor act the card, for `DeviceRun` and `sweep`."""
    card.SIMULATED = True  # what `open_card` goes by
    for name in _SIGNATURES:
        setattr(kernels, name, _Kernel(name))
    device_run.cuda = SimpleNamespace(
        to_device=lambda column: _Memory(np.array(column, order="C")),
        device_array=lambda shape, dtype: _Memory(np.full(shape, -77, dtype)),
    )


class _Memory:
    """A column on the card."""

    def __init__(self, column: Any) -> None:
        self.column = column

    def copy_to_host(self) -> Any:
        return self.column.copy()

    def parameters(self) -> list[int]:
        """As numba hands an array over."""
        column = self.column
        start = column.__array_interface__["data"][0]
        return [0, 0, column.size, column.itemsize, start, *column.shape, *column.strides]


class _Kernel:
    def __init__(self, name: str) -> None:
        self._name = name
        self._call: Any = None

    def __getitem__(self, grid: tuple[int, int]) -> Any:
        def launch(*arguments: Any) -> None:
            self._call = self._call or _built(self._name)
            values: list[int] = []
            for item in arguments:
                values += item.parameters() if isinstance(item, _Memory) else [int(item)]
            assert len(values) == ptx_of(self._name).count(".param .u64")
            column = np.array(values, np.int64)
            self._call(ctypes.c_void_p(column.ctypes.data), *map(ctypes.c_uint32, grid))

        return launch


def _built(name: str) -> Any:
    folder = Path(tempfile.mkdtemp(prefix="ptx_"))
    source, library = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text(_in_c(ptx_of(name)))
    options = ("-O1", "-ffp-contract=off", "-fwrapv", "-fno-strict-aliasing", "-w", "-shared", "-fPIC")
    subprocess.run(["gcc", *options, "-o", library, source, "-lm"], check=True)
    return ctypes.CDLL(str(library)).launch


def _in_c(ptx: str) -> str:
    """A kernel as a function of its parameters and its thread, and the loop over all threads."""
    body = ptx[ptx.index("\n{") + 2 : ptx.rindex("}")]
    body = re.sub(r"//.*|\.loc\s[^\n]*|\.pragma[^;]*;", "", body)
    lines: list[str] = []
    for statement in re.split(r"[;\n]", body.replace(":", ":;")):
        text = statement.strip()
        if text and text not in "{}":
            lines.append(_line(text.removeprefix("{").strip()))
    return (
        f"{_PRELUDE}\nstatic void thread(const uint64_t *P, uint32_t TID, uint32_t NTID, uint32_t CTAID) {{\n"
        + "\n".join(lines)
        + "\n}\nvoid launch(const uint64_t *P, uint32_t blocks, uint32_t threads) {\n"
        + "for (uint32_t b = 0; b < blocks; b++) for (uint32_t t = 0; t < threads; t++)"
        + " thread(P, t, threads, b);\n}\n"
    )


def _line(text: str) -> str:
    if text.endswith(":"):
        return f"{_name(text[:-1])}: ;"
    if text.startswith((".reg", ".local")):
        return _declared(text)
    guard = ""
    if text.startswith("@"):
        condition, text = text.split(None, 1)
        negated = condition[1] == "!"
        guard = f"if ({'!' if negated else ''}{_name(condition[1:].lstrip('!'))}) "
    operation, _, rest = text.replace("\t", " ").partition(" ")
    operands = [item.strip() for item in re.split(r",(?![^\[{]*[\]}])", rest)] if rest.strip() else []
    return guard + _instruction(operation.split("."), operands)


def _declared(text: str) -> str:
    if found := re.match(r"\.local .*?(__local_depot\d+)\[(\d+)\]", text):
        return f"uint8_t {found[1]}[{found[2]}] __attribute__((aligned(16)));"
    kinds = {"pred": "int", "b16": "uint16_t", "b32": "uint32_t", "b64": "uint64_t", "f64": "double"}
    found = re.match(r"\.reg \.(\w+)\s+%([A-Za-z]+)(?:<(\d+)>)?", text)
    assert found is not None, text
    if found[2] == "temp":  # declared where it is used, and thrown away
        return ""
    kind = kinds[found[1]]
    if found[3] is None:
        return f"{kind} {found[2]} = 0;"
    return "".join(f"{kind} {found[2]}{at} = 0;" for at in range(int(found[3])))


def _name(text: str) -> str:
    special = {"%tid.x": "TID", "%ntid.x": "NTID", "%ctaid.x": "CTAID"}
    return special.get(text) or text.replace("%", "").replace("$", "")


def _value(text: str) -> str:
    if text.startswith("0d"):
        return f"f64(0x{text[2:]}ULL)"
    if re.fullmatch(r"-?\d+", text):
        return f"((int64_t)({text}LL))" if text != "-9223372036854775808" else "INT64_MIN"
    if text.startswith("__local"):
        return f"((uint64_t){text})"
    return _name(text)


def _address(text: str) -> str:
    found = re.fullmatch(r"\[(.+?)(?:\+(-?\d+))?\]", text)
    assert found is not None, text
    return f"({_value(found[1])} + {found[2] or 0})"


def _kind(text: str) -> str:
    if text == "f64":
        return "double"
    if text == "pred":
        return "int"
    return f"{_INTEGERS[text[0]]}{text[1:]}_t"


def _instruction(parts: list[str], operands: list[str]) -> str:
    verb, last = parts[0], parts[-1]
    if verb == "bra":
        return f"goto {_name(operands[0])};"
    if verb == "ret":
        return "return;"
    if verb == "ld" and parts[1] == "param":
        place = re.search(r"_param_(\d+)\]", operands[1])
        assert place is not None, operands
        return f"{_name(operands[0])} = P[{place[1]}];"
    if verb in ("ld", "st"):
        kind, vector = _kind(last), "v2" in parts
        cell = _address(operands[1 if verb == "ld" else 0])
        other = operands[0 if verb == "ld" else 1].strip("{} ").split(",")
        assert len(other) == (2 if vector else 1), operands
        pairs = [(item.strip(), f"(({kind} *){cell})[{at}]") for at, item in enumerate(other)]
        return "{" + "".join(
            f"{_name(a)} = {b};" if verb == "ld" else f"{b} = {_value(a)};" for a, b in pairs
        ) + "}"  # fmt: skip
    if verb == "mov" and operands[0].startswith("{"):
        value = _value(operands[1])
        value = f"bits({value})" if "fd" in value else value
        halves = [item.strip() for item in operands[0].strip("{}").split(",")]
        return "".join(
            f"{_name(item)} = (uint32_t)({value} >> {32 * at});"
            for at, item in enumerate(halves)
            if item != "%temp"
        )
    target, values = _name(operands[0]), [_value(item) for item in operands[1:]]
    return f"{target} = {_expression(parts, values)};"


def _expression(parts: list[str], values: list[str]) -> str:
    verb, last = parts[0], parts[-1]
    if verb in ("mov", "cvta"):
        return values[0]
    if verb == "selp":
        return f"{values[2]} ? {values[0]} : {values[1]}"
    if verb == "cvt":
        return _converted(parts, values[0])
    kind = _kind(last)
    typed = values if last == "f64" else [f"(({kind})({item}))" for item in values]
    if verb == "setp":
        a, b = typed
        if parts[1] == "ne" and last == "f64":  # false where one is NaN
            return f"({a} < {b} || {a} > {b})"
        if parts[1] in _COMPARED:
            return f"{a} {_COMPARED[parts[1]]} {b}"
        assert parts[1].endswith("u"), parts
        assert last == "f64", parts
        return f"({a} != {a} || {b} != {b} || {a} {_COMPARED[parts[1][:-1]]} {b})"
    if verb == "mul" and parts[1] == "hi":
        wide = "__int128" if last[0] == "s" else "unsigned __int128"
        return f"(uint64_t)((({wide}){typed[0]} * ({wide}){typed[1]}) >> 64)"
    if verb == "mul" and parts[1] == "wide":
        return f"(uint64_t)((int64_t){typed[0]} * (int64_t){typed[1]})"
    if verb in _SIMPLE and last == "pred":
        return f"(!!{values[0]}) {_SIMPLE[verb]} (!!{values[1]})"
    if verb in _SIMPLE:
        return f"{typed[0]} {_SIMPLE[verb]} {typed[1]}"
    if verb in ("div", "rem"):
        assert last != "f64" or parts[1] == "rn", parts
        return f"{typed[0]} {'/' if verb == 'div' else '%'} {typed[1]}"
    if verb == "fma":
        assert parts[1:] == ["rn", "f64"], parts
        return f"fma({', '.join(values)})"
    if verb in ("min", "max"):
        if last == "f64":
            return f"f{verb}({', '.join(values)})"
        return f"{typed[0]} {'<' if verb == 'min' else '>'} {typed[1]} ? {typed[0]} : {typed[1]}"
    if verb in ("shl", "shr"):  # a shift by the width or more leaves nothing, or the sign
        width, by, sign = int(last[1:]), f"(uint32_t)({values[1]})", "<<" if verb == "shl" else ">>"
        none = f"({typed[0]} >> {width - 1})" if last[0] == "s" else "0"
        return f"{by} >= {width} ? {none} : {typed[0]} {sign} ({by} & {width - 1})"
    if verb == "neg":
        return f"-{typed[0]}"
    if verb == "not":
        return f"!{typed[0]}" if last == "pred" else f"~{typed[0]}"
    if verb == "abs":
        return f"fabs({values[0]})" if last == "f64" else f"{typed[0]} < 0 ? -{typed[0]} : {typed[0]}"
    raise AssertionError(f"no translation of {'.'.join(parts)}")


def _converted(parts: list[str], value: str) -> str:
    to, source = parts[-2:]
    if parts[1:] == ["rn", "f64", "s64"]:
        return f"(double)(int64_t){value}"
    if parts[1:] == ["rzi", "s64", "f64"]:
        return f"(uint64_t)whole({value})"
    if parts[1:] == ["rmi", "f64", "f64"]:
        return f"floor({value})"
    assert "f64" not in (to, source), parts
    return f"({_kind(to)})({_kind(source)})({value})"
