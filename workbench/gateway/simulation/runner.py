"""Many seeds, in several processes; each failure with the command that runs it again."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.errors import BadInputError
from workbench.gateway.simulation.clock import SimulatedClock
from workbench.gateway.simulation.disk import SimulatedDisk
from workbench.gateway.simulation.faults import CATALOGUE
from workbench.gateway.simulation.world import Outcome, World

__all__ = ["Failure", "Simulated", "checked_faults", "replay_command", "simulate"]

_CHUNK = 20
_disk: SimulatedDisk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A seed whose run broke an invariant, or broke down."""

    seed: int
    faults: tuple[str, ...]
    violations: tuple[str, ...]
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What one seed came to, as far as it is sent between processes."""

    seed: int
    faults: tuple[str, ...]
    hits: dict[str, int]
    violations: tuple[str, ...]
    trace: str
    orders: int
    fills: int
    restarts: int

    @property
    def failure(self) -> Failure | None:
        """Why it failed; None when it did not."""
        if not self.violations:
            return None
        return Failure(
            seed=self.seed,
            faults=self.faults,
            violations=self.violations,
            command=replay_command(self.seed, self.faults),
        )


def checked_faults(names: Sequence[str]) -> tuple[str, ...]:
    """Faults by number, as in ``F01``.

    Raises
    ------
    BadInputError
        One is not in the catalogue.
    """
    wanted = tuple(name.strip().upper() for name in names if name.strip())
    if unknown := [name for name in wanted if name not in CATALOGUE]:
        raise BadInputError(
            f"unknown fault {', '.join(unknown)}; the catalogue has {', '.join(sorted(CATALOGUE))}"
        )
    return tuple(sorted(set(wanted)))


def replay_command(seed: int, faults: Sequence[str]) -> str:
    """What one types to run a seed again."""
    return f"workbench simulate --seeds 1 --first-seed {seed} --faults {','.join(faults)}"


def simulate(
    seeds: Sequence[int], *, faults: Sequence[str] = (), workers: int | None = None
) -> Iterator[Simulated]:
    """Run seeds and give what each came to, in no order.

    Parameters
    ----------
    faults
        The same in each run; empty: each seed draws one to six.
    workers
        Processes; default: one for each processor, 1 runs here.
    """
    names = checked_faults(faults)
    count = min(workers or os.cpu_count() or 1, max(1, len(seeds) // _CHUNK))
    jobs = [(seed, names) for seed in seeds]
    if count == 1:
        yield from map(_run, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(count) as pool:
        yield from pool.imap_unordered(_run, jobs, chunksize=_CHUNK)


def _run(job: tuple[int, tuple[str, ...]]) -> Simulated:
    """One seed; a run that breaks down is a failure like another."""
    global _disk
    seed, faults = job
    if _disk is None:
        _disk = SimulatedDisk(SimulatedClock())
    world = World(seed=seed, disk=_disk, faults=faults)
    try:
        found: Outcome = world.run()
    except Exception as error:
        return _sent(world, (f"broken down: {type(error).__name__}: {error}",), "")
    texts = tuple(f"{item.rule}: {item.detail}" for item in found.violations)
    return _sent(world, texts, found.trace, found)


def _sent(world: World, violations: tuple[str, ...], trace: str, found: Outcome | None = None) -> Simulated:
    hits: Counter[str] = world.hits + world.house.hits + world.network.hits
    figures: dict[str, Any] = {
        "orders": found.orders if found else 0,
        "fills": found.fills if found else 0,
        "restarts": world.restarts,
    }
    return Simulated(
        seed=world.seed,
        faults=tuple(world.faults),
        hits=dict(hits),
        violations=violations,
        trace=trace,
        **figures,
    )
