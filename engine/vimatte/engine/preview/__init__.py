"""Pictures for people: coloured instances over the plate, and a contact sheet of a whole shot."""

from __future__ import annotations

from vimatte.engine.preview.colours import Colour, colour_of
from vimatte.engine.preview.contact_sheet import ContactSheet, evenly
from vimatte.engine.preview.overlay import overlay

__all__ = ["Colour", "ContactSheet", "colour_of", "evenly", "overlay"]
