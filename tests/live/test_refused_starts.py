"""What a supervisor does not start, and what it waits for, each beside a release that starts."""

from dataclasses import dataclass

import pytest

from tests.live.desk import eventually
from tests.live.house import House, Tenant
from tests.live.notebook_strategies import BREAKOUT, DEFINE, TRAILING
from workbench.live import deployment
from workbench.live.divergence import compare
from workbench.release.approvals import refuse

pytestmark = pytest.mark.processes


@dataclass
class Three:
    """Deployments by name, of which the third's kernel starts."""

    altered: str
    refused: str
    waiting: str
    tenant: Tenant


@pytest.fixture(scope="module")
def three(house: House) -> Three:
    """Deployed; then one release was altered and one refused, and a supervisor started without a gateway."""
    altered, refused, sound = (house.take_in(source) for source in (TRAILING, BREAKOUT, DEFINE))
    names = [
        tenant.deploy(f"paper-{number}") for number, tenant in enumerate((altered, refused, sound), start=1)
    ]
    content = bytearray(altered.release.notebook.read_bytes())
    content[100] ^= 1
    altered.release.notebook.chmod(0o600)
    altered.release.notebook.write_bytes(content)
    refuse(refused.release.id, settings=house.settings, approver="alex", reason="no", role="approver")
    house.run("live")
    return Three(altered=names[0], refused=names[1], waiting=names[2], tenant=sound)


def test_a_release_with_one_altered_byte_is_refused_and_named(house: House, three: Three) -> None:
    eventually(lambda: deployment(house.engine, three.altered).state == "failed", what="the refusal")
    detail = deployment(house.engine, three.altered).detail
    assert detail.startswith("Refused: release")
    assert "notebook.ipynb was altered" in detail


def test_a_release_that_was_refused_after_its_deployment_does_not_start(house: House, three: Three) -> None:
    eventually(lambda: deployment(house.engine, three.refused).state == "failed", what="the refusal")
    assert "is not approved any more" in deployment(house.engine, three.refused).detail


def test_a_deployment_waits_for_a_gateway_that_is_not_there_yet(house: House, three: Three) -> None:
    eventually(
        lambda: "Waits for the gateway" in deployment(house.engine, three.waiting).detail, what="waiting"
    )
    house.run("gateway")
    house.until(three.waiting, "finished")
    assert compare(house.fills(three.waiting), three.tenant.backtest()).equal
    assert [item["deployment_id"] for item in house.gateway.status()["deployments"]] == [three.waiting]
