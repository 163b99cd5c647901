"""Voila's configuration: loopback, a token, and nothing that an address or a stray file could change."""

from functools import partial

from jupyter_server.log import log_request
from traitlets.config import Config

from workbench.dashboards.kernels import ViewerKernels

__all__ = ["voila_configuration"]

_EXTENSIONS = [  # the manager is Voila's, the widgets it knows are Jupyter's; the lab extension stays out
    "@voila-dashboards/widgets-manager8",
    "@jupyter-widgets/jupyterlab-manager",
    "@bokeh/jupyter_bokeh",
    "anywidget",
]
_CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",  # the styles Voila's template wants from a public network are not fetched
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # Voila writes scripts into the page
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)


def voila_configuration() -> Config:
    """What the stand-alone Voila is started with."""
    config = Config()
    config.Voila.config_file_paths = []
    config.Voila.open_browser = False
    config.Voila.ip = "127.0.0.1"
    config.Voila.auto_token = True  # from JUPYTER_TOKEN_FILE; never none
    config.Voila.port_retries = 0
    config.Voila.tornado_settings = {
        "headers": {"Content-Security-Policy": _CONTENT_SECURITY_POLICY, "Referrer-Policy": "same-origin"},
        "allow_remote_access": False,  # a page of another site must not reach it by a name of its own
        "log_function": partial(log_request, record_prometheus_metrics=False),  # which leaves the token out
    }
    voila = config.VoilaConfiguration
    voila.allow_template_override = "NO"
    voila.allow_theme_override = "NO"
    voila.show_tracebacks = False
    voila.strip_sources = True
    voila.extension_allowlist = _EXTENSIONS
    voila.file_allowlist = []
    voila.multi_kernel_manager_class = ViewerKernels
    config.KernelManager.transport_encryption = "required"  # every user of the machine can read loopback
    config.MappingKernelManager.buffer_offline_messages = False  # what a page missed is in its next refresh
    config.MappingKernelManager.cull_interval = 30
    config.MappingKernelManager.cull_idle_timeout = 120
    config.MappingKernelManager.cull_connected = False
    config.MappingKernelManager.cull_busy = True  # a closed page's kernel refreshes for ever
    return config
