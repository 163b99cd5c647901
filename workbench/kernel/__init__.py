"""The research kernel: what a notebook imports, magics, rich output."""

from workbench.kernel.cost_form import cost_form
from workbench.kernel.data import cost_book, load_bars
from workbench.kernel.data_form import data_form
from workbench.kernel.deploying import deploy
from workbench.kernel.exploring import explore
from workbench.kernel.judging import judge, walk_forward
from workbench.kernel.leaks import check_leaks
from workbench.kernel.models import keep_model, show_judgement
from workbench.kernel.results import backtest, sweep, tear_sheet, track, trials
from workbench.kernel.searching import search, two_speeds
from workbench.kernel.session import Mode, Session, current_session, new_session
from workbench.kernel.showing import show

__all__ = [
    "Mode",
    "Session",
    "backtest",
    "check_leaks",
    "cost_book",
    "cost_form",
    "current_session",
    "data_form",
    "deploy",
    "explore",
    "judge",
    "keep_model",
    "load_bars",
    "new_session",
    "search",
    "show",
    "show_judgement",
    "sweep",
    "tear_sheet",
    "track",
    "trials",
    "two_speeds",
    "walk_forward",
]
