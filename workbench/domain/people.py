"""People's names: when two may be one person's, and when one may look like another than it is."""

import unicodedata

__all__ = ["distinct_people", "same_person", "unreadable_name"]

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})  # Unicode categories
_LOOK_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK"})


def same_person(one: str, other: str) -> bool:
    """Whether two names may be one person's: letter case, accents, width, spaces, points and what is not
    seen make no other person.
    """
    return _plain_name(one) == _plain_name(other)


def distinct_people(names: "frozenset[str] | set[str]") -> int:
    """How many people a set of names is at least; what has no letter or digit is nobody."""
    return len({_plain_name(name) for name in names} - {""})


def unreadable_name(name: str) -> str:
    """Why a name may look like another one than it is; empty when it does not."""
    if not _plain_name(name):
        return "it has no letter"
    if any(unicodedata.category(letter) in _UNSEEN for letter in name):
        return "it has characters that are not seen"
    first_words = {unicodedata.name(letter, "").partition(" ")[0] for letter in _plain_name(name)}
    if len(alphabets := first_words & _LOOK_ALIKE) > 1:
        return f"it mixes letters of {' and '.join(item.title() for item in sorted(alphabets))}"
    return ""


def _plain_name(name: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", name).casefold() if letter.isalnum())
