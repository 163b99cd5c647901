"""Lines of separated fields to whole numbers: one compiled pass over bytes, told what each field is.

The grammar is checked byte by byte and nothing passes through a float. A price is digits, perhaps a
point and more digits; what lies beyond the instrument's decimals must be zeros. The first line that
does not fit ends the pass; the caller words the error.
"""

import numpy as np
import numpy.typing as npt

from workbench.indicators.compiled import borrowing

__all__ = [
    "BEFORE_FIRST",
    "CARRY",
    "ERROR",
    "ERROR_FIELD",
    "LINE",
    "LINE_START",
    "STATE_SIZE",
    "UNCHANGED",
    "ZONED",
    "parse_rows",
]

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

# positions in `state`
LINE, ZONED, ERROR, ERROR_FIELD, LINE_START, UNCHANGED, BEFORE_FIRST = range(7)
CARRY = 8  # from here on the last value of each column, -1 before the first
STATE_SIZE = 32

# kinds of fields: (kind, column or -1, decimals or first step, or last step of a time)
SKIP, NUMBER, TIME, NUMBER_OR_SAME = range(4)

# what can be wrong with a line
(
    OK,
    NOT_A_NUMBER,
    TOO_MANY_DECIMALS,
    TOO_LARGE,
    NOT_A_TIME,
    TIME_OUT_OF_RANGE,
    MIXED_ZONES,
    FIELDS,
    LINE_END,
    BAD_BYTE,
    QUOTE,
) = range(11)

# steps of a time
(
    LITERAL,
    YEAR,
    MONTH,
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    CLOCK_SECONDS,
    FRACTION,
    MAY_END,
    SPACE_OR_T,
    MAY_ZONE,
    MAY_GMT,
    MONTH_NAME,
    HALF_DAY,
    MAY_FRACTION,
    YEAR_OF_CENTURY,
) = range(17)

_FIRST_NS, _LAST_NS = 0, 7_258_118_400 * 10**9  # from 1970 to the end of 2199
_MAX = 9_223_372_036_854_775_807
_NS = 1_000_000_000
_MONTH_NAMES = np.frombuffer(b"janfebmaraprmayjunjulaugsepoctnovdec", dtype=np.uint8)
_MONTH_DAYS = np.array([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


@borrowing
def _digits(data: Bytes, pos: int, least: int, most: int) -> tuple[int, int]:
    """Up to `most` digits at `pos`: the position after them, or -1, and their value."""
    value, count = 0, 0
    while count < most and 48 <= data[pos] <= 57:
        value = value * 10 + (data[pos] - 48)
        pos += 1
        count += 1
    if count < least:
        return -1, 0
    return pos, value


@borrowing
def _time(
    data: Bytes, pos: int, steps: Ints, low: int, high: int, sep: int, eol: int
) -> tuple[int, int, bool]:
    """The time at `pos` by `steps[low:high]`: position after it or -1, nanoseconds, whether zoned."""
    year, month, day = 1970, 1, 1
    seconds, fraction, offset = 0, 0, 0
    hour, half = 0, -1
    zoned = False
    for step in range(low, high):
        op, arg = steps[step, 0], steps[step, 1]
        char = data[pos]
        if op == LITERAL:
            if char != arg:
                return -1, 0, False
            pos += 1
        elif op == YEAR:
            pos, year = _digits(data, pos, 4, 4)
        elif op == YEAR_OF_CENTURY:
            pos, year = _digits(data, pos, 2, 2)
            year += 2000 if year < 69 else 1900
        elif op == MONTH:
            pos, month = _digits(data, pos, arg, 2)
        elif op == DAY:
            pos, day = _digits(data, pos, arg, 2)
        elif op == HOUR:
            pos, hour = _digits(data, pos, arg, 2)
            if hour > 23:
                return -1, 0, False
        elif op == MINUTE:
            pos, value = _digits(data, pos, arg, 2)
            if value > 59:
                return -1, 0, False
            seconds += 60 * value
        elif op == SECOND:
            pos, value = _digits(data, pos, arg, 2)
            if value > 59:
                return -1, 0, False
            seconds += value
        elif op == CLOCK_SECONDS:  # perhaps :SS, perhaps .f after it
            if char == 58:
                pos, value = _digits(data, pos + 1, 2, 2)
                if pos < 0 or value > 59:
                    return -1, 0, False
                seconds += value
                if data[pos] == 46:
                    start = pos + 1
                    pos, fraction = _digits(data, start, 1, 9)
                    if pos >= 0:
                        for _ in range(9 - (pos - start)):
                            fraction *= 10
        elif op == FRACTION:  # exactly `arg` digits, or 1 to 9 of them for 0
            start = pos
            pos, fraction = _digits(data, start, max(arg, 1), arg if arg > 0 else 9)
            if pos >= 0:
                for _ in range(9 - (pos - start)):
                    fraction *= 10
        elif op == MAY_FRACTION:
            if char == 46:
                start = pos + 1
                pos, fraction = _digits(data, start, 1, 9)
                if pos >= 0:
                    for _ in range(9 - (pos - start)):
                        fraction *= 10
        elif op == MAY_END:
            if char in (sep, eol, 13, 34):
                break
        elif op == SPACE_OR_T:
            if char != 32 and char != 84:
                return -1, 0, False
            pos += 1
        elif op in (MAY_ZONE, MAY_GMT):
            if op == MAY_GMT:  # " GMT+0100"
                if char != 32:
                    continue
                if data[pos + 1] != 71 or data[pos + 2] != 77 or data[pos + 3] != 84:
                    return -1, 0, False
                pos += 4
                char = data[pos]
                if char != 43 and char != 45:
                    return -1, 0, False
            if char == 90:
                zoned = True
                pos += 1
            elif char == 43 or char == 45:
                pos, zone_hours = _digits(data, pos + 1, 2, 2)
                if pos < 0:
                    return -1, 0, False
                if data[pos] == 58:
                    pos += 1
                pos, zone_minutes = _digits(data, pos, 2, 2)
                if pos < 0 or zone_hours > 23 or zone_minutes > 59:
                    return -1, 0, False
                offset = 60 * (60 * zone_hours + zone_minutes)
                offset = offset if char == 43 else -offset
                zoned = True
        elif op == MONTH_NAME:
            found = 0
            for name in range(12):
                same = True
                for index in range(3):
                    if data[pos + index] == eol or (data[pos + index] | 32) != _MONTH_NAMES[3 * name + index]:
                        same = False
                        break
                if same:
                    found = name + 1
            if found == 0:
                return -1, 0, False
            month = found
            pos += 3
        elif op == HALF_DAY:
            if (char | 32) == 97:
                half = 0
            elif (char | 32) == 112:
                half = 12
            else:
                return -1, 0, False
            if (data[pos + 1] | 32) != 109:
                return -1, 0, False
            pos += 2
        if pos < 0:
            return -1, 0, False
    if half >= 0:
        if hour < 1 or hour > 12:
            return -1, 0, False
        hour = hour % 12 + half
    if month < 1 or month > 12 or day < 1 or day > _MONTH_DAYS[month - 1]:
        return -1, 0, False
    if month == 2 and day == 29 and (year % 4 != 0 or (year % 100 == 0 and year % 400 != 0)):
        return -1, 0, False
    # days since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms")
    shifted = year - 1 if month <= 2 else year
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    if days < -1 or days > 84_100:
        return pos, -1, zoned
    return pos, (days * 86_400 + hour * 3_600 + seconds - offset) * _NS + fraction, zoned


@borrowing
def parse_rows(
    data: Bytes,
    pos: int,
    stop: int,
    sep: int,
    eol: int,
    crlf: bool,
    program: Ints,
    steps: Ints,
    most: Ints,
    base: int,
    out: Ints,
    lines: Ints,
    row: int,
    state: Ints,
) -> tuple[int, int]:
    """Parse the lines in `data[pos:stop]`, whose last byte ends a line, until `out` is full.

    Parameters
    ----------
    sep, eol, crlf
        The separator; the byte that ends a line; whether a carriage return stands before it.
    program
        One row a field: kind, column or -1, decimals or first step, last step.
    most
        Largest value of a number in each column.
    base
        Nanoseconds added to each time.
    out, lines, row
        Where rows go, shape (columns, capacity), column 0 the time; their line numbers; the first free row.
    state
        Kept from call to call; see the positions above.

    Returns
    -------
    Position of the first byte not used, and the first free row. `state[ERROR]` is not 0 after an error.
    """
    count, capacity = program.shape[0], out.shape[1]
    columns = out.shape[0]
    while pos < stop and row < capacity:
        state[LINE_START] = pos
        state[LINE] += 1
        error, field, moment = OK, 0, base
        blank = pos
        while data[blank] == 32:
            blank += 1
        if data[blank] == eol or (data[blank] == 13 and data[blank + 1] == eol):
            if (data[blank] == 13) != crlf and eol == 10:
                state[ERROR] = LINE_END
                return pos, row
            pos = blank + (1 if data[blank] == eol else 2)
            continue
        has_time, zoned = False, False
        given, missing = False, False
        for index in range(count):
            field = index
            kind, column = program[index, 0], program[index, 1]
            if sep != 32:
                while data[pos] == 32:
                    pos += 1
            quoted = data[pos] == 34
            if quoted:
                pos += 1
            if kind == SKIP:
                if quoted:
                    while data[pos] != 34 and data[pos] != eol:
                        if data[pos] < 32 and data[pos] != 9:
                            error = BAD_BYTE
                            break
                        pos += 1
                else:
                    while data[pos] != sep and data[pos] != eol and data[pos] != 13:
                        if data[pos] < 32 and data[pos] != 9:
                            error = BAD_BYTE
                            break
                        pos += 1
            elif kind == TIME:
                pos, part, has_zone = _time(data, pos, steps, program[index, 2], program[index, 3], sep, eol)
                if pos < 0:
                    error = NOT_A_TIME
                    break
                if part < 0:
                    error = TIME_OUT_OF_RANGE
                    break
                moment += part
                zoned |= has_zone
                has_time = True
            else:
                scale = program[index, 2]
                value, digits = 0, 0
                while 48 <= data[pos] <= 57:
                    digit = data[pos] - 48
                    if value > (_MAX - 9) // 10:
                        error = TOO_LARGE
                        break
                    value = value * 10 + digit
                    digits += 1
                    pos += 1
                if error != OK:
                    break
                if digits == 0:
                    at_end = (
                        data[pos] == sep
                        or data[pos] == eol
                        or data[pos] == 13
                        or (quoted and data[pos] == 34)
                    )
                    if kind == NUMBER_OR_SAME and at_end:
                        value = state[CARRY + column]
                        missing |= value < 0
                    else:
                        error = NOT_A_NUMBER
                        break
                else:
                    decimals = 0
                    if data[pos] == 46:
                        pos += 1
                        while 48 <= data[pos] <= 57:
                            digit = data[pos] - 48
                            if decimals < scale:
                                if value > (_MAX - 9) // 10:
                                    error = TOO_LARGE
                                    break
                                value = value * 10 + digit
                                decimals += 1
                            elif digit != 0:
                                error = TOO_MANY_DECIMALS
                                break
                            pos += 1
                    while error == OK and decimals < scale:
                        if value > (_MAX - 9) // 10:
                            error = TOO_LARGE
                            break
                        value *= 10
                        decimals += 1
                    if error != OK:
                        break
                    if column == 0:
                        moment += value
                        has_time = True
                        if value > _LAST_NS:
                            error = TIME_OUT_OF_RANGE
                            break
                    elif value > most[column]:
                        error = TOO_LARGE
                        break
                    else:
                        given = True
                if column > 0:
                    out[column, row] = value
                    state[CARRY + column] = value
            if error != OK:
                break
            if quoted:
                if data[pos] != 34:
                    error = QUOTE
                    break
                pos += 1
            while data[pos] == 32 and sep != 32:
                pos += 1
            if index < count - 1:
                if data[pos] != sep:
                    error = FIELDS if data[pos] == eol or data[pos] == 13 else NOT_A_NUMBER
                    if error != FIELDS and kind == TIME:
                        error = NOT_A_TIME
                    break
                pos += 1
            elif data[pos] == 13 and eol == 10:
                if not crlf:
                    error = LINE_END
                    break
                if data[pos + 1] != eol:
                    error = BAD_BYTE
                    break
                pos += 2
            elif data[pos] == eol:
                if crlf:
                    error = LINE_END
                    break
                pos += 1
            elif data[pos] == sep:
                error = FIELDS
            else:
                error = NOT_A_TIME if kind == TIME else NOT_A_NUMBER
        if error == OK and has_time and not (_FIRST_NS <= moment < _LAST_NS):
            error = TIME_OUT_OF_RANGE
        if error == OK:
            if state[ZONED] < 0:
                state[ZONED] = 1 if zoned else 0
            elif state[ZONED] != (1 if zoned else 0):
                error = MIXED_ZONES
        if error != OK:
            state[ERROR] = error
            state[ERROR_FIELD] = field
            return state[LINE_START], row
        if missing:
            state[BEFORE_FIRST] += 1
        elif columns > 1 and not given:
            state[UNCHANGED] += 1
        else:
            out[0, row] = moment
            lines[row] = state[LINE]
            row += 1
    return pos, row
