"""The research kernel: ``python -m workbench.kernel -f kernel.json``, as the kernelspec starts it."""

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets import default

from workbench import __version__

__all__ = ["WorkbenchKernel", "WorkbenchKernelApp"]


class WorkbenchKernel(IPythonKernel):
    """IPython with the workbench's extension."""

    implementation = "workbench"
    implementation_version = __version__

    banner = f"Workbench {__version__}, research kernel. It can not send orders.\n"


class WorkbenchKernelApp(IPKernelApp):
    """The kernel's application: loads the extension before the first cell."""

    name = "workbench-kernel"
    kernel_class = WorkbenchKernel

    @default("extensions")
    def _extensions(self) -> list[str]:
        return ["workbench.kernel.extension"]


if __name__ == "__main__":
    WorkbenchKernelApp.launch_instance()
