"""Search over parameters, instruments and timeframes, by any method, here, in processes or on Dask."""

from workbench.research.search.dask_workers import DaskWorkers
from workbench.research.search.errors import LostWorkerError, OtherSearchError
from workbench.research.search.genetic import Genetic
from workbench.research.search.methods import Grid, Random
from workbench.research.search.optuna_methods import Nsga2, Tpe
from workbench.research.search.result import SearchResult
from workbench.research.search.searching import search
from workbench.research.search.workers import InProcess, JoblibWorkers, Processes

__all__ = [
    "DaskWorkers",
    "Genetic",
    "Grid",
    "InProcess",
    "JoblibWorkers",
    "LostWorkerError",
    "Nsga2",
    "OtherSearchError",
    "Processes",
    "Random",
    "SearchResult",
    "Tpe",
    "search",
]
