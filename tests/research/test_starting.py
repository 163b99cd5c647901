"""What a fresh process has to import before its first backtest."""

import subprocess
import sys


def test_backtests_start_without_pandas_the_database_or_pictures() -> None:
    program = (
        "import sys, workbench.research, workbench.strategy; "
        "print(*{'pandas', 'pyarrow', 'sqlalchemy', 'bokeh', 'matplotlib', 'mlflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
