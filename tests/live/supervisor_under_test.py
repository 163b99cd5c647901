"""A supervisor in a process of its own: `python -m tests.live.supervisor_under_test HOME RUNTIME`."""

import sys
from pathlib import Path

from tests.live.desk import KERNEL, Preparing
from workbench.live.driving import drive
from workbench.live.log import open_log
from workbench.live.restarts import RestartPolicy
from workbench.live.supervisor import Supervisor, serve_signals, supervisor_lease
from workbench.store import open_store


def main() -> None:
    home, runtime = Path(sys.argv[1]), Path(sys.argv[2])
    with supervisor_lease(home):
        supervisor = Supervisor(
            engine=open_store(f"sqlite:///{home / 'workbench.db'}"),
            socket=runtime / "supervisor.sock",
            deployments_dir=home / "deployments",
            runtime_dir=runtime,
            prepare=Preparing(home, runtime, home / "released.ipynb"),
            release=lambda deployment_id: None,
            drive=drive,
            log=open_log(home / "logs" / "supervisor.log"),
            policy=RestartPolicy(first_wait_s=0.05, factor=1.0),
            kernel_command=KERNEL,
        )
        serve_signals(supervisor, keep_kernels="--keep" in sys.argv)
        supervisor.run()


if __name__ == "__main__":
    main()
