"""What the routes do, as plain blocking functions: handlers call them in a thread and write the answer."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.live.stopping import start_deployment, stop_deployment
from workbench.server.bodies import (
    ApproveBody,
    DeployBody,
    KillBody,
    LimitsBody,
    OverrideBody,
    ResumeBody,
    StartBody,
    StopBody,
)
from workbench.server.errors import NotAllowedError, NotFoundError
from workbench.server.limits import change_limits, change_override, history_json, limits_json
from workbench.server.ports import GatewayVerbs, Releases, RunList, SupervisorVerbs
from workbench.server.processes import gateway_state, process_state
from workbench.server.reading import StoreReader
from workbench.server.releases import release_json
from workbench.server.roles import Person

__all__ = ["Services"]

_NOBODY = Person("server", "viewer")  # the server's own questions need no more than to see


class Services:
    """The routes' work, over the stores, the gateway, the supervisor, the releases and MLflow."""

    def __init__(
        self,
        *,
        reader: StoreReader,
        runs: RunList,
        releases: Releases,
        gateway: Callable[[Person], GatewayVerbs],
        supervisor: Callable[[Person], SupervisorVerbs],
        sockets: tuple[Path, Path],
        monitor_url: str,
        sources: Callable[[], list[str]] = list,
    ) -> None:
        self._reader = reader
        self._runs = runs
        self._releases = releases
        self._gateway = gateway
        self._supervisor = supervisor
        self._gateway_socket, self._supervisor_socket = sockets
        self._monitor_url = monitor_url
        self._sources = sources

    # --- seeing ----------------------------------------------------------------------------------

    def me(self, person: Person) -> dict[str, Any]:
        """Who calls."""
        return {
            "user": person.user,
            "role": person.role,
            "verbs": person.verbs,
            "sole_user": person.sole_user,
        }

    def processes(self) -> dict[str, dict[str, str]]:
        """Whether the gateway and the supervisor answer; takes seconds when one hangs."""
        return {
            "gateway": process_state(
                "gateway", self._gateway_socket, lambda: self._gateway(_NOBODY).status()
            ),
            "supervisor": process_state(
                "supervisor", self._supervisor_socket, lambda: self._supervisor(_NOBODY).status()
            ),
        }

    def status(self, processes: dict[str, dict[str, str]] | None = None) -> dict[str, Any]:
        """The processes and the kill switch; `processes` when they were asked just now."""
        known = processes or self.processes()
        kills = self._reader.kills()
        return {
            "gateway": gateway_state(known["gateway"], kills),
            "supervisor": known["supervisor"],
            "mode": "LIVE" if self._reader.is_live() else "PAPER",
            "kills": kills,
            "monitor_url": self._monitor_url,
            "as_of": time.time_ns() // 1_000_000,
        }

    def runs(self, most: int) -> dict[str, Any]:
        """The latest runs."""
        return {"runs": self._runs.latest(most)}

    def releases(self) -> dict[str, Any]:
        """Every release."""
        return {"releases": [self._shown(row, given) for row, given in self._reader.releases()]}

    def release(self, release_id: str) -> dict[str, Any]:
        """One release, and whether it is still what was signed."""
        shown = self._release(release_id)
        try:
            checked = self._releases.check(release_id)
        except WorkbenchError as error:
            nothing: dict[str, Any] = {"limits": {}, "parameters": {}, "files": {}}
            return {"release": shown, **nothing, "intact": False, "finding": str(error)}
        return {"release": shown, **checked, "intact": True, "finding": ""}

    def accounts(self) -> dict[str, Any]:
        """The accounts, and who publishes quotes for a stream."""
        return {"accounts": self._reader.accounts(), "sources": self._sources()}

    def deployments(self) -> dict[str, Any]:
        """The deployments with their live state."""
        return {"deployments": self._reader.deployments()}

    def schedules(self) -> dict[str, Any]:
        """The schedules."""
        return {"schedules": self._reader.schedules()}

    def live(self, processes: dict[str, dict[str, str]]) -> dict[str, Any]:
        """One frame of the stream, less the promotions and the time, so that equal states are equal."""
        status = {**self.status(processes), "as_of": None}
        return {"status": status, **self.deployments(), **self._reader.versions()}

    # --- doing -----------------------------------------------------------------------------------

    def approve(self, person: Person, body: ApproveBody) -> dict[str, Any]:
        """Write a decision down, in the name of who is signed in."""
        if body.approver and body.approver != person.user and not person.sole_user:
            raise NotAllowedError(
                f"expected the decision of {person.user}, who is signed in, found one of {body.approver}"
            )
        self._release(body.release_id)
        self._releases.decide(
            body.release_id,
            approver=body.approver or person.user,
            role=person.role,
            approved=body.decision == "approved",
            reason=body.reason,
        )
        return self._release(body.release_id)

    def deploy(self, person: Person, body: DeployBody) -> dict[str, Any]:
        """Put a release on an account."""
        self._release(body.release_id)
        deployment_id = self._releases.deploy(body, by=person)
        return {
            "said": f"Deployed as {deployment_id}; the supervisor starts it.",
            "deployment_id": deployment_id,
        }

    def stop(self, person: Person, body: StopBody) -> dict[str, Any]:
        """Stop a deployment: the gateway takes no more orders of it, then its kernel ends."""
        said = stop_deployment(
            self._gateway(person), self._supervisor(person), body.deployment_id, flatten=body.flatten
        )
        return {"said": said, "deployment_id": body.deployment_id}

    def start(self, person: Person, body: StartBody) -> dict[str, Any]:
        """Let a stopped deployment trade on where it was."""
        start_deployment(self._gateway(person), self._supervisor(person), body.deployment_id)
        return {"said": f"{body.deployment_id} starts again.", "deployment_id": body.deployment_id}

    def kill(self, person: Person, body: KillBody) -> dict[str, Any]:
        """Throw the kill switch."""
        found = self._gateway(person).kill(body.scope, reason=body.reason)
        said = f"Killed: {body.scope}. No order leaves until an approver releases the switch."
        if found.get("remembered"):
            said += " The gateway does not answer: orders that waited at the broker may still be live."
        elif found.get("waiting"):
            said += f" The broker did not confirm {len(found['waiting'])} cancels: they may still be live."
        return {"said": said}

    def unkill(self, person: Person, body: KillBody) -> dict[str, Any]:
        """Release the kill switch."""
        self._gateway(person).unkill(body.scope, reason=body.reason)
        return {"said": f"The kill switch is released: {body.scope}."}

    def limits(self, person: Person) -> dict[str, Any]:
        """The table of limits."""
        return limits_json(self._gateway(person))

    def change_limits(self, person: Person, body: LimitsBody, approvers: list[str]) -> dict[str, Any]:
        """Lower a limit, ask for a higher one, approve or withdraw what was asked for."""
        return change_limits(self._gateway(_named(person, body)), person, body, approvers=approvers)

    def limits_history(self, person: Person) -> dict[str, Any]:
        """Every version of every limit and every step of each override."""
        return history_json(self._gateway(person))

    def override(self, person: Person, body: OverrideBody, approvers: list[str]) -> dict[str, Any]:
        """Ask for an override of one order, approve or withdraw one."""
        return change_override(self._gateway(_named(person, body)), person, body, approvers=approvers)

    def resume(self, person: Person, body: ResumeBody) -> dict[str, Any]:
        """Let a deployment that a control has halted trade on."""
        self._gateway(person).resume(body.deployment_id)
        return {"said": f"{body.deployment_id} trades on.", "deployment_id": body.deployment_id}

    def _release(self, release_id: str) -> dict[str, Any]:
        found = self._reader.releases(release_id)
        if not found:
            raise NotFoundError(f"expected a release, found none with the id {release_id[:12]}…")
        return self._shown(*found[0])

    def _shown(self, row: dict[str, Any], given: list[dict[str, Any]]) -> dict[str, Any]:
        return release_json(row, given, approval=self._releases.approval(row["id"]))


def _named(person: Person, body: LimitsBody | OverrideBody) -> Person:
    """In whose name the gateway is asked: of one login for everybody whoever says that they are it."""
    return replace(person, user=body.person) if body.person and person.sole_user else person
