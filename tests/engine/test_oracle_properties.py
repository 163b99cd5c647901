"""What must hold in every made-up world, whatever happens in it."""

from dataclasses import replace

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tests.engine.made_up_market import World, made_up_world
from tests.engine.test_against_slow_engine import fast_engine, feed, plain
from workbench.domain.cost_book import CostBook
from workbench.domain.orders import Fill, Order
from workbench.domain.quotes import Bar, Quote

worlds = st.builds(made_up_world, st.integers(0, 2**48), st.integers(1, 30))
slowly = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def fills_of(world: World) -> list[Fill]:
    engine, fills = fast_engine(world), []
    for event in world.events:
        said = feed(engine, event)
        if isinstance(event, Quote | Bar):
            fills += said
    return fills


def with_costs(world: World, **changes: object) -> World:
    def changed(book: CostBook) -> CostBook:
        costs = {name: replace(item, **changes) for name, item in book.costs.items()}
        return replace(book, costs=costs)

    return replace(world, books=tuple(changed(book) for book in world.books))


@slowly
@given(world=worlds)
def test_cash_and_positions_add_up_after_any_fills(world: World) -> None:
    engine = fast_engine(world)
    cash, commission, units = world.balance, 0, dict.fromkeys((item.id for item in world.instruments), 0)
    for event in world.events:
        said = feed(engine, event)
        for fill in said if isinstance(event, Quote | Bar) else ():
            cash += fill.realized - fill.commission
            commission += fill.commission
            units[fill.instrument] += fill.units
            assert fill.position == units[fill.instrument]
        account = engine.account()
        assert account.balance == cash + account.financing
        assert account.commission == commission
        assert {name: account.units(name) for name in units} == units


@slowly
@given(world=worlds)
def test_the_order_in_which_instruments_are_given_changes_nothing(world: World) -> None:
    turned = replace(world, instruments=world.instruments[::-1])
    assert [plain(fill) for fill in fills_of(turned)] == [plain(fill) for fill in fills_of(world)]


@slowly
@given(world=worlds)
def test_a_flat_account_pays_no_swap(world: World) -> None:
    idle = replace(world, events=tuple(event for event in world.events if not isinstance(event, Order)))
    engine = fast_engine(idle)
    for event in idle.events:
        feed(engine, event)
    account = engine.account()
    assert (account.balance, account.financing, account.commission) == (world.balance, 0, 0)


@slowly
@given(world=worlds)
def test_what_comes_later_changes_no_fill_of_the_past(world: World) -> None:
    cut = len(world.events) // 2
    early = fills_of(replace(world, events=world.events[:cut]))
    assert [plain(fill) for fill in fills_of(world)][: len(early)] == [plain(fill) for fill in early]


@slowly
@given(world=worlds)
def test_doubling_units_doubles_profit_under_linear_costs(world: World) -> None:
    plenty = replace(world, currency="USD", balance=10**17)
    if any(item.quote != "USD" for item in plenty.instruments):
        reject()  # conversion rounds each profit
    linear = with_costs(plenty, commission_ppm=0, commission_per_lot=0, commission_minimum=0)
    linear = with_costs(linear, financing_long_ppm=0, financing_short_ppm=0)
    endless = tuple(
        replace(event, bids=(), asks=()) if isinstance(event, Quote) else event for event in linear.events
    )
    one = fills_of(replace(linear, events=endless))
    two = fills_of(
        replace(
            linear,
            events=tuple(
                replace(event, units=2 * event.units) if isinstance(event, Order) else event
                for event in endless
            ),
        )
    )
    assert [2 * fill.units for fill in one] == [fill.units for fill in two]
    assert [fill.price for fill in one] == [fill.price for fill in two]
    assert abs(2 * sum(fill.realized for fill in one) - sum(fill.realized for fill in two)) <= len(one)


@slowly
@given(world=worlds)
def test_a_state_taken_over_in_the_middle_goes_on_the_same(world: World) -> None:
    first, second = fast_engine(world), fast_engine(world)
    cut = len(world.events) // 2
    for event in world.events[:cut]:
        feed(first, event)
    second.restore(first.snapshot())
    for event in world.events[cut:]:
        assert feed(first, event) == feed(second, event)
        assert first.account() == second.account()
        assert first.take_canceled() == second.take_canceled()
