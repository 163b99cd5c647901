"""Vendors' file formats: one module a source, one way to open them all."""

from workbench.market.formats.raw import Note
from workbench.market.formats.recognition import FORMATS
from workbench.market.formats.source import Source, open_source
from workbench.market.zones import ZoneEvidence

__all__ = ["FORMATS", "Note", "Source", "ZoneEvidence", "open_source"]
