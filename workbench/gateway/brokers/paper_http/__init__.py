"""A paper broker behind HTTP and a stream of lines: what a broker elsewhere looks like, on this machine."""

from workbench.gateway.brokers.paper_http.client import PaperHttpBroker
from workbench.gateway.brokers.paper_http.config import PaperHttpConfig
from workbench.gateway.brokers.paper_http.server import PaperServer

__all__ = ["PaperHttpBroker", "PaperHttpConfig", "PaperServer"]
