"""What can go wrong on the way to a broker."""

from enum import StrEnum

__all__ = ["STREAM_FAULTS", "Fault", "Verb"]


class Verb(StrEnum):
    """What a request is for."""

    PLACE = "PLACE"
    CANCEL = "CANCEL"
    REPLACE = "REPLACE"
    CHANGE_EXITS = "CHANGE_EXITS"
    REPORT = "REPORT"  # anything that only reads


class Fault(StrEnum):
    """What happens to one request and its answer, or to the stream."""

    REQUEST_LOST = "REQUEST_LOST"  # it never arrives; the connection is closed
    REPLY_LOST = "REPLY_LOST"  # it arrives and is done; the connection is closed instead of an answer
    REPLY_CUT = "REPLY_CUT"  # half of the answer's body, then the end
    REPLY_GARBLED = "REPLY_GARBLED"  # a whole answer that can not be read
    SERVER_ERROR = "SERVER_ERROR"  # it is done, the answer is 503
    RESET = "RESET"  # it is done, the connection is reset (RST)
    HALF_OPEN = "HALF_OPEN"  # it is done, then nothing at all comes, the connection stays open
    SLOW = "SLOW"  # the answer comes late, in time
    DRIBBLE = "DRIBBLE"  # the answer comes a byte at a time, too slowly
    TWICE = "TWICE"  # it arrives twice
    TOO_MANY = "TOO_MANY"  # it does not arrive, the answer is the broker's 429

    STREAM_CUT = "STREAM_CUT"  # the stream's connection ends
    STREAM_SILENT = "STREAM_SILENT"  # the stream stays open and brings nothing


STREAM_FAULTS = frozenset({Fault.STREAM_CUT, Fault.STREAM_SILENT})
