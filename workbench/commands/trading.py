"""Deployments: put a release on an account, watch, stop, kill, verify."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from workbench.commands.answering import ROLE, answers, columns, json_option, show
from workbench.domain.calendar import to_datetime
from workbench.domain.money import to_decimal
from workbench.errors import BadInputError, WorkbenchError
from workbench.settings import Settings, load_settings

__all__ = ["account", "deploy", "kill", "start", "status", "stop", "unkill", "verify"]


def _gateway(settings: Settings) -> Any:
    from workbench.gateway.client import OperatorClient

    return OperatorClient(
        settings.operator_socket, user=settings.user, role=ROLE, kills_dir=settings.kills_dir
    )


def _supervisor(settings: Settings) -> Any:
    from workbench.live import SupervisorClient

    return SupervisorClient(settings.supervisor_socket, user=settings.user, role=ROLE)


@click.group()
def account() -> None:
    """Accounts that releases are deployed on."""


@account.command("add")
@click.argument("name")
@click.option("--currency", default="USD", show_default=True)
@click.option(
    "--balance", default="100000", show_default=True, help="What a paper account's books start with."
)
@click.option("--broker", default="paper", show_default=True, help="paper, or paper_http for one elsewhere.")
@click.option("--url", default="", help="Where a broker elsewhere is, as in https://host:8443.")
@click.option("--at-broker", default="", help="The account's id at its broker; default: NAME.")
@json_option
@answers
def account_add(
    name: str, currency: str, balance: str, broker: str, url: str, at_broker: str, as_json: bool
) -> None:
    """Add a paper account, or one at a broker elsewhere.

    For one elsewhere the credential is asked for and not shown; it is kept in a file that you alone can read.
    """
    from workbench.live import add_account
    from workbench.store import open_store

    if broker != "paper":
        _add_outside(
            name, currency=currency, broker=broker, url=url, at_broker=at_broker or name, as_json=as_json
        )
        return
    if url or at_broker:
        raise BadInputError("a paper account is the gateway's own: leave --url and --at-broker out")
    try:
        amount = Decimal(balance)
    except InvalidOperation:
        raise BadInputError(f"expected an amount as in 100000, found {balance!r}") from None
    engine = open_store(load_settings().store_url)
    found = add_account(engine, name, currency=currency, balance=amount)
    show(
        {"id": found.id, "currency": found.currency, "balance": str(found.balance), "broker": found.broker},
        as_json=as_json,
        text=lambda: [f"account {found.id}: {found.balance:,.2f} {found.currency} at broker {found.broker}"],
    )


def _add_outside(name: str, *, currency: str, broker: str, url: str, at_broker: str, as_json: bool) -> None:
    from workbench.gateway.brokers.outside import Credentials, outside_account
    from workbench.live import add_account
    from workbench.store import open_store

    where = outside_account(broker, url=url, at_broker=at_broker)
    settings = load_settings()
    secret = click.prompt(f"Credential of {where}", hide_input=True, err=True)
    Credentials(settings.credentials_dir).check(name, secret)
    found = add_account(
        open_store(settings.store_url),
        name,
        currency=currency,
        balance=Decimal(0),
        broker=broker,
        settings={"url": where.url, "at_broker": where.at_broker},
    )
    Credentials(settings.credentials_dir).write(name, secret)
    show(
        {"id": found.id, "currency": found.currency, "broker": broker, **found.settings},
        as_json=as_json,
        text=lambda: [
            f"account {found.id}: {where}, in {found.currency}; its credential is kept in "
            f"{settings.credentials_dir / found.id}"
        ],
    )


@account.command("credential")
@click.argument("name")
@answers
def account_credential(name: str) -> None:
    """Give an account at a broker elsewhere another credential; it is asked for and not shown.

    A running gateway shows it when it connects the account the next time.
    """
    from workbench.gateway.brokers.outside import Credentials
    from workbench.live import list_accounts
    from workbench.store import open_store

    settings = load_settings()
    names = [item.id for item in list_accounts(open_store(settings.store_url)) if item.broker != "paper"]
    if name not in names:
        raise BadInputError(
            f"expected an account at a broker elsewhere, found {name!r}; "
            f"those are {', '.join(names) or 'none'}"
        )
    Credentials(settings.credentials_dir).write(name, click.prompt("Credential", hide_input=True, err=True))
    click.echo(f"account {name} has another credential")


@account.command("list")
@json_option
@answers
def account_list(as_json: bool) -> None:
    """List the accounts."""
    from workbench.live import list_accounts
    from workbench.store import open_store

    found = list_accounts(open_store(load_settings().store_url))
    show(
        [
            {"id": item.id, "broker": item.broker, "currency": item.currency, "balance": str(item.balance)}
            for item in found
        ],
        as_json=as_json,
        text=lambda: columns(
            [
                (
                    item.id,
                    item.broker,
                    f"{item.balance:,.2f} {item.currency}"
                    if item.broker == "paper"
                    else f"{item.currency}, {item.settings['at_broker']} at {item.settings['url']}",
                )
                for item in found
            ],
            ("account", "broker", "starts with"),
        ),
    )


@click.command()
@click.argument("release")
@click.option("--account", "account_id", required=True, help="See `workbench account list`.")
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), help="First FX day of the replay.")
@click.option("--to", "end", type=click.DateTime(["%Y-%m-%d"]), help="First FX day left out.")
@click.option(
    "--speed", type=float, help="Replayed a second, 0 for no pause; default 20 bars or 1,000 ticks."
)
@click.option(
    "--feed",
    "kind",
    type=click.Choice(["bars", "ticks", "stream"]),
    default="bars",
    show_default=True,
    help="A replay of the release's own bars or ticks, or quotes from a stream.",
)
@click.option("--source", default="", help="Of a stream: demo for quotes-demo.sock, or broker.")
@click.option(
    "--every-quote",
    is_flag=True,
    help="Of a stream: each quote, not the latest where the strategy is slower.",
)
@json_option
@answers
def deploy(
    release: str,
    account_id: str,
    start: datetime | None,
    end: datetime | None,
    speed: float | None,
    kind: str,
    source: str,
    every_quote: bool,
    as_json: bool,
) -> None:
    """Deploy an approved release on an account: on a replay of its bars or ticks, or on a stream."""
    from workbench.live import deploy as put
    from workbench.live import released_notebooks
    from workbench.live.feeds import chosen_feed
    from workbench.release import find_release_id
    from workbench.store import open_store

    settings = load_settings()
    engine = open_store(settings.store_url)
    load = released_notebooks(settings)
    release_id = find_release_id(release, settings=settings)
    released = load(release_id)
    feed = chosen_feed(
        engine,
        released,
        kind=kind,
        start=start.date() if start else None,
        end=end.date() if end else None,
        per_second=speed,
        source=source,
        every_quote=every_quote,
    )
    deployment_id = put(
        engine, load, release_id=release_id, account_id=account_id, feed=feed, by=settings.user
    )
    show(
        {
            "deployment_id": deployment_id,
            "release_id": release_id,
            "feed": feed,
            "allowance": released.allowance.to_json(),
        },
        as_json=as_json,
        text=lambda: [
            f"deployment {deployment_id}; the supervisor starts it, `workbench status` shows it",
            f"its strategy may take {released.allowance}",
        ],
    )


@click.command()
@json_option
@answers
def status(as_json: bool) -> None:
    """Show gateway, supervisor and every deployment."""
    from workbench.gateway.sockets import somebody_listens

    settings = load_settings()
    value = {
        "home": str(settings.home.resolve()),
        "gateway": _asked(_gateway(settings).status),
        "supervisor": _asked(_supervisor(settings).status)
        if somebody_listens(settings.supervisor_socket)
        else {"running": False, "error": "not running; start it: workbench up, or python -m workbench.live"},
    }
    show(value, as_json=as_json, text=lambda: _status_lines(value))


def _asked(ask: Any) -> dict[str, Any]:
    try:
        return {"running": True, **ask()}
    except WorkbenchError as error:
        return {"running": False, "error": str(error)}


def _status_lines(value: dict[str, Any]) -> list[str]:
    lines = [f"home        {value['home']}"]
    for name in ("gateway", "supervisor"):
        found = value[name]
        lines.append(
            f"{name:<11} " + (f"running, pid {found['pid']}" if found["running"] else found["error"])
        )
    watched = {item["deployment_id"]: item for item in value["supervisor"].get("deployments", [])}
    traded = {item["deployment_id"]: item for item in value["gateway"].get("deployments", [])}
    rows = []
    for name in sorted({*watched, *traded}):
        kernel, books = watched.get(name, {}), traded.get(name, {})
        rows.append(
            (
                name,
                str(kernel.get("state", "-")),
                "KILLED" if books.get("killed") else str(books.get("state", "-")),
                f"{to_decimal(books['equity']):,.2f} {books['currency']}" if books else "-",
                f"{books['position']:,}" if books else "-",
                f"{to_datetime(books['last_event_ns']):%Y-%m-%d %H:%M}"
                if books.get("last_event_ns", 0) > 0
                else "-",
            )
        )
    headers = ("deployment", "kernel", "at the gateway", "equity", "position", "market time (UTC)")
    return [*lines, "", *columns(rows, headers)]


@click.command()
@click.argument("deployment")
@click.option("--flatten", is_flag=True, help="Close its position at the next price.")
@json_option
@answers
def stop(deployment: str, flatten: bool, as_json: bool) -> None:
    """Stop a deployment: no more orders, and its kernel ends."""
    from workbench.live.stopping import stop_deployment

    settings = load_settings()
    said = stop_deployment(_gateway(settings), _supervisor(settings), deployment, flatten=flatten)
    show({"deployment_id": deployment, "said": said}, as_json=as_json, text=lambda: [said])


@click.command()
@click.argument("deployment")
@json_option
@answers
def start(deployment: str, as_json: bool) -> None:
    """Start a stopped deployment again, where it was."""
    from workbench.live.stopping import start_deployment

    settings = load_settings()
    found = start_deployment(_gateway(settings), _supervisor(settings), deployment)
    show(found, as_json=as_json, text=lambda: [f"{deployment} is started again"])


def _scope(deployment: str | None, account_id: str | None) -> str:
    if deployment and account_id:
        raise BadInputError("name a deployment or an account, not both")
    return f"deployment:{deployment}" if deployment else f"account:{account_id}" if account_id else "all"


def _scoped(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what a kill switch covers, and why."""
    for option in (
        click.option("--reason", default="", help="For the record."),
        click.option("--account", "account_id", help="Only this account."),
        click.option("--deployment", help="Only this deployment."),
    ):
        command = option(command)
    return command


@click.command()
@_scoped
@json_option
@answers
def kill(deployment: str | None, account_id: str | None, reason: str, as_json: bool) -> None:
    """Throw the kill switch: no order leaves until it is released. Everything, unless a scope is named."""
    scope = _scope(deployment, account_id)
    found = _gateway(load_settings()).kill(scope, reason=reason)
    show(found, as_json=as_json, text=lambda: _killed(scope, found))


def _killed(scope: str, found: dict[str, Any]) -> list[str]:
    if found.get("remembered"):
        return [
            f"killed: {scope}, remembered on disk: {found['remembered']}",
            "no order leaves from now on and the gateway starts killed; orders that waited at a broker MAY "
            "STILL BE LIVE: look at the broker's own screen",
        ]
    under = ", ".join(found["deployments"]) or "NO DEPLOYMENT that is open now, check the name"
    lines = [f"killed: {scope}, which covers {under}", "`workbench unkill` releases it"]
    if found.get("waiting"):
        lines.insert(1, f"NOT CONFIRMED as cancelled, may still be live: {', '.join(found['waiting'])}")
    return lines


@click.command()
@_scoped
@json_option
@answers
def unkill(deployment: str | None, account_id: str | None, reason: str, as_json: bool) -> None:
    """Release the kill switch."""
    scope = _scope(deployment, account_id)
    found = _gateway(load_settings()).unkill(scope, reason=reason)
    show(found, as_json=as_json, text=lambda: [f"released: {scope}"])


@click.command()
@json_option
@answers
def verify(as_json: bool) -> None:
    """Check the journal's chain and every release's bytes; works with or without a running gateway."""
    from workbench.gateway.process import checkpoint_path
    from workbench.gateway.reports import check_store
    from workbench.release import list_releases, load_release
    from workbench.store import StoreMissingError, database_name, read_only

    settings = load_settings()
    try:
        engine = read_only(settings.gateway_store_url)
    except StoreMissingError:
        raise BadInputError(
            f"expected a journal in {settings.home.resolve()}, found none; start the workbench once, "
            "or name another home with WORKBENCH_HOME"
        ) from None
    database = database_name(engine)
    journal = check_store(engine, checkpoints=checkpoint_path(settings), keys=settings.keys_dir)
    releases: dict[str, str] = {}
    for item in list_releases(settings):
        try:
            load_release(item.id, settings=settings)
            releases[item.id] = ""
        except WorkbenchError as error:
            releases[item.id] = str(error)
    faults = [text for text in (journal["fault"], *releases.values()) if text]

    def text() -> list[str]:
        lines = [
            f"database: {database}",
            f"journal: {journal['length']:,} records, {journal['checkpoints']} signed checkpoints compared",
        ]
        lines.append(f"releases: {len(releases)} checked byte by byte")
        return [*lines, *(f"FAULT: {fault}" for fault in faults)] if faults else [*lines, "all is well"]

    value = {"database": database, "journal": journal, "releases": releases, "ok": not faults}
    show(value, as_json=as_json, text=text)
    if faults:
        raise WorkbenchError(
            f"{len(faults)} fault{'s' if len(faults) > 1 else ''} found; trust nothing until it is explained"
        )
