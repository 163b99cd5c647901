"""The fault suite for one's own strategy: its decisions under every fault, from a notebook or a test."""

from collections import Counter
from collections.abc import Callable, Sequence

import pandas as pd

from workbench.domain.orders import ClientOrderId, Order
from workbench.gateway.messages import EventReply
from workbench.gateway.simulation.clock import SimulatedClock
from workbench.gateway.simulation.disk import SimulatedDisk
from workbench.gateway.simulation.faults import CATALOGUE
from workbench.gateway.simulation.runner import checked_faults
from workbench.gateway.simulation.world import World

__all__ = ["Decide", "fault_suite"]

Decide = Callable[[EventReply], tuple[Sequence[ClientOrderId], Sequence[Order]]]


def fault_suite(decide: Decide, *, seeds: int = 5, faults: Sequence[str] = ()) -> pd.DataFrame:
    """Run a strategy's decisions under each fault of the catalogue, on made-up hourly bars of EUR_USD.

    Parameters
    ----------
    decide
        Called with each closed bar; gives the client ids of orders to take back and the orders to place. It
        decides from its argument alone.
    seeds
        Runs of each fault.
    faults
        By number; empty: all.

    Returns
    -------
    pandas.DataFrame
        A row a fault, its number as the index: ``title``, ``runs``, ``met`` (how often the fault struck),
        ``orders`` and ``executions`` at the broker, and ``broken``: the first invariant that did not hold,
        with its seed, empty when all held.

    Raises
    ------
    BadInputError
        A fault is not in the catalogue.
    """
    rows = []
    disk = SimulatedDisk(SimulatedClock())
    try:
        for name in checked_faults(faults) or sorted(CATALOGUE):
            total: Counter[str] = Counter()
            broken = ""
            for seed in range(seeds):
                found = World(seed=seed, disk=disk, faults=(name,), decide=decide).run()
                total.update(met=found.hits[name], orders=found.orders, executions=found.fills)
                if found.violations and not broken:
                    first = found.violations[0]
                    broken = f"seed {seed}: {first.rule}: {first.detail}"
            rows.append(
                {
                    "fault": name,
                    "title": CATALOGUE[name].title,
                    "runs": seeds,
                    **{key: total[key] for key in ("met", "orders", "executions")},
                    "broken": broken,
                }
            )
    finally:
        disk.close()
    return pd.DataFrame(rows).set_index("fault")
