"""The paper broker: the compiled engine's books behind the broker port."""

from workbench.gateway.brokers.paper.client import PaperBroker
from workbench.gateway.brokers.paper.config import PaperConfig

__all__ = ["PaperBroker", "PaperConfig"]
