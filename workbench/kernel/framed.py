"""A picture in a frame that can speak with the kernel: what is clicked in it arrives as a message.

The frame carries Bokeh itself and is the same page that is shown without a kernel, so nothing is loaded
from elsewhere. It writes what it has to say into a text field beside it that nobody sees, which JupyterLab
and Voila sync as they do any other.
"""

import json
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

__all__ = ["framed"]


def framed(frame: str, heard: Callable[[dict[str, Any]], None]) -> Any:
    """A widget with a frame in it; `heard` is called with each message, one at a time, in the order said.

    Parameters
    ----------
    frame
        HTML of an ``iframe`` with its page inside (``srcdoc``).
    """
    picture = widgets.HTML(frame, layout=widgets.Layout(width="100%"))
    said = widgets.Textarea(layout=widgets.Layout(display="none"))
    said.add_class("wb-said")
    box = widgets.VBox([picture, said], layout=widgets.Layout(width="100%"))
    box.add_class("wb-bridge")

    def changed(change: Any) -> None:
        message = _message(change["new"])
        if message is not None:
            heard(message)

    said.observe(changed, names="value")
    return box


def _message(text: str) -> dict[str, Any] | None:
    """What a page said; nothing where it is no message of ours."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
