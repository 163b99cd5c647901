"""Whether the gateway and the supervisor answer, and in which state that leaves the workbench."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.sockets import somebody_listens
from workbench.live.errors import SupervisorUnreachableError

__all__ = ["HOW_TO_START", "gateway_state", "process_state", "quote_sources"]

HOW_TO_START = {
    "gateway": "start it with `workbench up`, or alone with `python -m workbench.gateway`",
    "supervisor": "start it with `workbench up`, or alone with `python -m workbench.live`",
}


def process_state(name: str, socket: Path, ask: Callable[[], object]) -> dict[str, str]:
    """Running when it answers, stopped otherwise, and then how to start it."""
    if not socket.exists():
        return {"state": "stopped", "detail": f"The {name} is not running; {HOW_TO_START[name]}."}
    try:
        ask()
    except (GatewayUnreachableError, SupervisorUnreachableError):
        return {"state": "stopped", "detail": f"The {name} does not answer; {HOW_TO_START[name]}."}
    except WorkbenchError as error:
        return {"state": "stopped", "detail": f"The {name} refuses to say how it is: {error}"}
    return {"state": "running", "detail": f"The {name} answers."}


def quote_sources(folder: Path) -> list[str]:
    """Who publishes quotes in a home's folder of sockets now, by name."""
    found = sorted(folder.glob("quotes-*.sock"))
    return [path.stem.removeprefix("quotes-") for path in found if somebody_listens(path)]


def gateway_state(process: Mapping[str, str], kills: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The gateway's state with the kill switch: thrown over everything it counts more than running."""
    thrown = next((item for item in kills if item["scope"] == "all"), None)
    if thrown is None or process["state"] != "running":
        return dict(process)
    return {"state": "killed", "detail": f"Killed by {thrown['by']}: {thrown['reason']}"}
