"""What the server that gateways are forked from has loaded: their compiled code too, once for all of them."""

import tests.gateway.processes  # noqa: F401
from workbench.gateway.warming import warm_up

warm_up()
