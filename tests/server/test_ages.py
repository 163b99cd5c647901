"""How old a deployment's data is, by the server's own clock."""

from workbench.server.ages import DataAges


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def ages() -> tuple[DataAges, Clock]:
    clock = Clock()
    return DataAges(longest_gap_s=5.0, clock=clock), clock


def test_the_age_is_not_known_before_the_deployment_was_seen_to_move() -> None:
    data, clock = ages()
    assert data.observe("d", 10) is None
    clock.now += 1
    assert data.observe("d", 10) is None


def test_the_age_counts_from_the_last_move() -> None:
    data, clock = ages()
    data.observe("d", 10)
    clock.now += 1
    assert data.observe("d", 11) == 0.0
    clock.now += 90
    assert data.observe("d", 11) == 90.0


def test_a_move_while_nobody_looked_has_no_known_age() -> None:
    data, clock = ages()
    data.observe("d", 10)
    clock.now += 600
    assert data.observe("d", 11) is None
    clock.now += 1
    assert data.observe("d", 12) == 0.0


def test_deployments_age_each_for_itself() -> None:
    data, clock = ages()
    data.observe("a", 1)
    data.observe("b", 1)
    clock.now += 2
    assert data.observe("a", 2) == 0.0
    assert data.observe("b", 1) is None
