"""The relational schema, on SQLite and PostgreSQL alike.

Times are int64 nanoseconds UTC, money whole micro-units, prices whole points: no floats in the books.
"""

import sqlalchemy as sa

__all__ = [
    "accounts",
    "adjustments",
    "approvals",
    "broker_links",
    "cancels",
    "candidates",
    "control_halts",
    "control_limits",
    "datasets",
    "deliveries",
    "deployments",
    "exit_changes",
    "fills",
    "frozen_instruments",
    "idea_marks",
    "ideas",
    "intents",
    "journal",
    "kills",
    "leases",
    "metadata",
    "orders",
    "positions",
    "releases",
    "schedule_runs",
    "schedules",
    "trial_batches",
    "trials",
]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Text = sa.Text
_Int = sa.BigInteger
_Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up only INTEGER PRIMARY KEY
_Json = sa.JSON


def _column(name: str, kind: object = _Text, **options: object) -> "sa.Column[object]":
    return sa.Column(name, kind, **{"nullable": False, **options})  # type: ignore[arg-type]


# --- research ------------------------------------------------------------------------------------

datasets = sa.Table(
    "datasets",  # one row a version of one instrument's bars or ticks in the market store
    metadata,
    _column("fingerprint", primary_key=True),  # sha256 of the content
    _column("instrument"),
    _column("timeframe"),
    _column("source"),  # file names, format, licence
    _column("rows", _Int),
    _column("first_ns", _Int),
    _column("last_ns", _Int),
    _column("sides"),  # "bid+ask", or which side is modelled and how
    _column("path"),
    _column("report", _Json),  # the checks' findings
    _column("created_ns", _Int),
    _column("kind", server_default="bars"),  # bars | ticks
    _column("parent", server_default=""),  # fingerprint of the version this one was made from
    _column("rule", server_default=""),  # how: "extended", "repaired: …"
    _column("source_format", server_default=""),
    _column("zone", server_default=""),  # of the source's times
    _column("parts", _Json, server_default="{}"),  # the immutable files of a dataset of ticks
    sa.Index("ix_datasets_instrument_timeframe", "instrument", "timeframe", "created_ns"),
)

ideas = sa.Table(
    "ideas",  # a line of research; a copied or renamed notebook keeps its idea
    metadata,
    _column("id", primary_key=True),
    _column("name"),
    _column("created_ns", _Int),
)

trials = sa.Table(
    "trials",  # append-only: one backtest of one variant; every column of a sweep counts
    metadata,
    _column("id", _Serial, primary_key=True, autoincrement=True),
    _column("idea"),
    _column("strategy"),
    _column("parameters", _Json),
    _column("dataset"),  # fingerprint
    _column("cost_book"),  # version
    _column("result", _Json),  # metrics
    _column("run_id"),  # MLflow run, empty for none
    _column("author"),
    _column("created_ns", _Int),
    sa.Index("ix_trials_idea", "idea"),
)

trial_batches = sa.Table(
    "trial_batches",  # append-only: trials of one strategy on one dataset, as columns
    metadata,
    _column("id", _Serial, primary_key=True, autoincrement=True),
    _column("idea"),
    _column("strategy"),
    _column("dataset"),
    _column("cost_book"),
    _column("run_id"),
    _column("author"),
    _column("created_ns", _Int),
    _column("count", _Int),  # trials
    _column("sharpes", _Int),  # of them with a Sharpe ratio
    _column("sharpe_mean", sa.Float),
    _column("sharpe_squares", sa.Float),  # sum of squared differences from that mean
    _column("sharpe_best", sa.Float),
    _column("columns", sa.LargeBinary),  # an Arrow stream: param.… and result.…
    sa.Index("ix_trial_batches_idea_count", "idea", "count"),
    sa.Index("ix_trial_batches_run_id_count", "run_id", "count"),
)

idea_marks = sa.Table(
    "idea_marks",  # append-only: what tells that two ideas are one: a place, a code, a session they share
    metadata,
    _column("mark", primary_key=True),
    _column("idea", primary_key=True),
    _column("created_ns", _Int),
    sa.Index("ix_idea_marks_idea", "idea"),
)

candidates = sa.Table(
    "candidates",  # what `deploy` in a research kernel registered
    metadata,
    _column("run_id", primary_key=True),
    _column("notebook"),
    _column("spec", _Json),
    _column("created_ns", _Int),
)

# --- promotion -----------------------------------------------------------------------------------

releases = sa.Table(
    "releases",
    metadata,
    _column("id", primary_key=True),  # sha256 of the manifest
    _column("name"),
    _column("run_id"),
    _column("author"),
    _column("manifest", _Json),
    _column("signature"),  # Ed25519, hexadecimal
    _column("created_ns", _Int),
)

approvals = sa.Table(
    "approvals",
    metadata,
    _column("id", _Serial, primary_key=True, autoincrement=True),
    sa.Column("release_id", _Text, sa.ForeignKey("releases.id"), nullable=False),
    _column("approver"),
    _column("decision"),  # approved | refused
    _column("reason"),
    _column("signature"),
    _column("created_ns", _Int),
    sa.UniqueConstraint("release_id", "approver"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    _column("id", primary_key=True),
    _column("broker"),  # paper
    _column("currency"),
    _column("balance", _Int),  # micro-units a paper book starts with
    _column("settings", _Json),  # the feed: {"kind": "replay", …}
    _column("created_ns", _Int),
)

deployments = sa.Table(
    "deployments",  # a release on an account
    metadata,
    _column("id", primary_key=True),
    sa.Column("release_id", _Text, sa.ForeignKey("releases.id"), nullable=False),
    sa.Column("account_id", _Text, sa.ForeignKey("accounts.id"), nullable=False),
    _column("feed", _Json),
    _column("limits", _Json),
    _column("desired"),  # running | stopped
    _column("state"),  # starting | running | restarting | stopped | finished | failed
    _column("detail"),  # one sentence
    _column("pid", _Int),  # of the live kernel, 0 for none
    _column("pid_started", sa.Float),  # process start time, to know the pid again
    _column("restarts", _Int),
    _column("heartbeat_ns", _Int),
    _column("deployed_by"),
    _column("created_ns", _Int),
    sa.Index("ix_deployments_account_id", "account_id"),
)

# --- gateway -------------------------------------------------------------------------------------

intents = sa.Table(
    "intents",  # durable before anything is sent
    metadata,
    _column("client_order_id", primary_key=True),
    _column("deployment_id"),
    _column("account_id"),
    _column("event_seq", _Int),  # the feed event it was decided on
    _column("instrument"),
    _column("body", _Json),  # the order as asked
    _column("state"),  # OrderState
    _column("control"),  # which control denied it, empty for none
    _column("reason"),
    _column("created_ns", _Int),
    _column("release_id"),
    _column("watermark", _Int, server_default="0"),  # the broker's last transaction known before it was sent
    sa.Index("ix_intents_deployment_id_event_seq", "deployment_id", "event_seq"),
)

orders = sa.Table(
    "orders",  # what the broker knows
    metadata,
    sa.Column("client_order_id", _Text, sa.ForeignKey("intents.client_order_id"), primary_key=True),
    _column("broker_order_id"),
    _column("state"),
    _column("accepted_seq", _Int),  # feed event after which the broker had it
    _column("updated_ns", _Int),
    _column("remaining", _Int, server_default="0"),  # units not filled, signed; dropped once it has ended
    _column("canceled_seq", _Int, server_default="0"),  # feed event after which we took it back, 0 for never
)

cancels = sa.Table(
    "cancels",  # orders a strategy takes back: durable before the broker is told
    metadata,
    sa.Column("client_order_id", _Text, sa.ForeignKey("intents.client_order_id"), primary_key=True),
    _column("event_seq", _Int, primary_key=True),  # the feed event it was decided on
    _column("deployment_id"),
    _column("state"),  # INTENT, then what the order was found or made to be
    _column("reason"),
    _column("created_ns", _Int),
    sa.Index("ix_cancels_deployment_id_event_seq", "deployment_id", "event_seq"),
)

exit_changes = sa.Table(
    "exit_changes",  # other exits that a strategy wants of what it holds: durable before the broker is told
    metadata,
    _column("deployment_id", primary_key=True),
    _column("event_seq", _Int, primary_key=True),  # the feed event it was decided on
    _column("number", _Int, primary_key=True),  # of the event's changes, from 0
    _column("instrument"),
    _column("body", _Json),  # the change as asked
    _column("state"),  # ChangeState
    _column("control"),  # which control denied it, empty for none
    _column("reason"),
    _column("changed_seq", _Int),  # feed event after which the broker had it, 0 for never
    _column("created_ns", _Int),
)

fills = sa.Table(
    "fills",
    metadata,
    _column("account_id", primary_key=True),  # with the broker's trade id: each fill is applied once
    _column("deployment_id", primary_key=True),
    _column("broker_trade_id", primary_key=True),
    _column("client_order_id"),
    _column("instrument"),
    _column("event_seq", _Int),
    _column("time_ns", _Int),
    _column("units", _Int),
    _column("price", _Int),
    _column("reason"),
    _column("commission", _Int),
    _column("realized", _Int),
    _column("position", _Int),
    _column("balance", _Int),
    _column("remaining", _Int, server_default="0"),  # units of the order not filled yet, signed
    _column("trade", server_default=""),  # the order that opened the trade, empty where positions are netted
    sa.Index("ix_fills_deployment_id_event_seq", "deployment_id", "event_seq"),
)

positions = sa.Table(
    "positions",  # the latest books of each deployment, and equity for the dashboards
    metadata,
    _column("deployment_id", primary_key=True),
    _column("event_seq", _Int),
    _column("snapshot", _Json),  # AccountSnapshot
)

deliveries = sa.Table(
    "deliveries",  # each feed event handed to a deployment, with the books as of it: what a restart reads
    metadata,
    _column("deployment_id", primary_key=True),
    _column("event_seq", _Int, primary_key=True),
    _column("time_ns", _Int),
    _column("event", _Json),
    _column("snapshot", _Json),
    _column("acked", sa.Boolean),
    _column("decision", _Json),  # what the strategy said of it
)

kills = sa.Table(
    "kills",  # the kill switch's durable state
    metadata,
    _column("scope", primary_key=True),  # "all", "account:…", "deployment:…"
    _column("by"),
    _column("reason"),
    _column("created_ns", _Int),
)

control_limits = sa.Table(
    "control_limits",  # append-only: each version of each limit, who set it, who approved it
    metadata,
    _column("version", _Int, primary_key=True, autoincrement=False),  # gap-free from 1
    _column("name"),
    _column("scope"),  # "firm", "account:…", "deployment:…", "instrument:…"
    _column("value", _Json),  # a whole number, a list, or null for no limit
    _column("action"),  # set | proposed | approved | withdrawn
    _column("proposal", _Int),  # the version that is approved or withdrawn, 0 for none
    _column("by"),
    _column("approved_by"),
    _column("reason"),
    _column("created_ns", _Int),
)

control_halts = sa.Table(
    "control_halts",  # deployments that only reduce until a named person lets them trade on
    metadata,
    _column("deployment_id", primary_key=True),
    _column("number", _Int, primary_key=True, autoincrement=False),  # from 1
    _column("control"),
    _column("reason"),
    _column("begun_seq", _Int),  # the feed event after which it began
    _column("created_ns", _Int),
    _column("ended_seq", _Int),  # what happened up to this event is forgiven; 0 while it lasts
    _column("ended_ns", _Int),
    _column("ended_by"),
)

journal = sa.Table(
    "journal",  # append-only, hash-chained
    metadata,
    _column("seq", _Int, primary_key=True, autoincrement=False),  # gap-free from 1
    _column("created_ns", _Int),
    _column("kind"),
    _column("body", _Text),  # canonical JSON
    _column("previous"),  # hash of the record before, 64 zeros for the first
    _column("hash"),  # sha256(previous | seq | created_ns | kind | body)
)

leases = sa.Table(
    "leases",  # who may write: a gateway whose number is not the last one writes nothing more
    metadata,
    _column("id", _Int, primary_key=True, autoincrement=False),  # 1, the only row
    _column("number", _Int),
    _column("holder"),
    _column("taken_ns", _Int),
)

broker_links = sa.Table(
    "broker_links",  # how far the record of a broker outside this process has been taken into the books
    metadata,
    _column("deployment_id", primary_key=True),
    _column("watermark", _Int),  # its last transaction
    _column("opening_balance", _Int),  # micro-units of the account's currency, when the books began
    _column("opening_financing", _Int),  # what the broker's account had paid (-) or received (+) before
    _column("financing", _Int),  # since, as far as it is booked
    _column("session"),  # FX day, ISO; empty before the first quote
    _column("day_start_equity", _Int),
    _column("updated_ns", _Int),
)

frozen_instruments = sa.Table(
    "frozen_instruments",  # only orders that reduce, until a named person decides
    metadata,
    _column("deployment_id", primary_key=True),
    _column("instrument", primary_key=True),
    _column("reason"),
    _column("created_ns", _Int),
)

adjustments = sa.Table(
    "adjustments",  # append-only: a named person takes the broker's position into the books
    metadata,
    _column("deployment_id", primary_key=True),
    _column("number", _Int, primary_key=True, autoincrement=False),  # from 1
    _column("instrument"),  # empty for cash alone
    _column("units", _Int),  # added to what the books held, signed
    _column("price", _Int),  # points
    _column("cost", _Int),  # micro-units of the quote currency that what is held costs more, signed
    _column("cash", _Int),  # micro-units added to the balance, signed
    _column("by"),
    _column("reason"),
    _column("created_ns", _Int),
)

# --- schedule ------------------------------------------------------------------------------------

schedules = sa.Table(
    "schedules",
    metadata,
    _column("id", primary_key=True),
    _column("name"),
    _column("pipeline"),  # path of the YAML or of one notebook
    _column("parameters", _Json),
    _column("cron"),  # empty for run once
    _column("timezone"),
    _column("misfire"),  # skip | run_once
    _column("enabled", sa.Boolean),
    _column("next_run_ns", _Int),  # 0 for none
    _column("created_by"),
    _column("created_ns", _Int),
    _column("options", _Json, server_default="{}"),  # time limit, and what a face of the scheduler keeps
)

schedule_runs = sa.Table(
    "schedule_runs",
    metadata,
    _column("id", primary_key=True),
    _column("schedule_id"),  # empty when started by hand
    _column("name"),
    _column("pipeline"),
    _column("parameters", _Json),
    _column("status"),  # queued | running | stopping | completed | failed | stopped | skipped
    _column("detail"),
    _column("pid", _Int),
    _column("pid_started", sa.Float),
    _column("scheduled_ns", _Int),
    _column("started_ns", _Int),
    _column("ended_ns", _Int),
    _column("heartbeat_ns", _Int),
    _column("outputs", _Json),  # each step's result and the files written
    _column("created_by"),
    _column("options", _Json, server_default="{}"),
    sa.Index("ix_schedule_runs_schedule_id_scheduled_ns", "schedule_id", "scheduled_ns"),
)
