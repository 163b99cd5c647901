"""Traces of an order's way through the processes, behind a switch; OpenTelemetry over HTTP.

The trace's id is computed from the client order id, so that the spans of the live kernel and those of the
gateway stand in one trace without a word more in the messages between them.
"""

import hashlib
import time
from collections.abc import MutableMapping
from typing import Any

from workbench.errors import BadInputError

__all__ = ["Tracer", "open_tracer"]


class Tracer:
    """Hands finished spans to an exporter, from a thread of its own.

    Parameters
    ----------
    provider
        An OpenTelemetry `TracerProvider`.
    ids
        Its generator of ids, which gives the next span the ids that are put into its `following`.
    """

    def __init__(self, provider: Any, ids: Any) -> None:
        self._provider = provider
        self._ids = ids
        self._tracer = provider.get_tracer("workbench")

    def add(
        self,
        client_order_id: str,
        name: str,
        *,
        start_ns: int,
        end_ns: int,
        root: bool = False,
        **values: Any,
    ) -> None:
        """A span of an order's trace, from `start_ns` to `end_ns` of the wall clock.

        Parameters
        ----------
        root
            The span of which the trace's others are parts; one process gives it, once an order.
        values
            Attributes.
        """
        from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

        trace, span = _ids_of(client_order_id)
        context = None
        if root:
            self._ids.following = (trace, span)
        else:
            above = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
            context = set_span_in_context(NonRecordingSpan(above))
        made = self._tracer.start_span(
            name,
            context=context,
            start_time=start_ns,
            attributes={"client_order_id": client_order_id, **values},
        )
        made.end(end_time=max(start_ns, end_ns))

    def on_event(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor for a live kernel's log: the whole way of each intent, until its answer."""
        match event:
            case {"event": "intent", "client_order_id": order_id, "seconds": seconds}:
                now = time.time_ns()
                values = {name: event[name] for name in ("deployment_id", "state", "seq") if name in event}
                self.add(
                    order_id, "intent", start_ns=now - int(seconds * 1e9), end_ns=now, root=True, **values
                )
            case {"event": "ended"}:
                self.close()  # the process leaves without ceremony
        return event

    def close(self) -> None:
        """Send what waits, and end."""
        self._provider.shutdown()


def open_tracer(url: str, *, service: str) -> Tracer | None:
    """What sends spans to an OTLP collector at `url`, as in http://127.0.0.1:4318/v1/traces; None for "".

    Raises
    ------
    BadInputError
        `url` is no HTTP address.
    """
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        raise BadInputError(
            f"expected a collector's address, as in http://127.0.0.1:4318/v1/traces, found {url!r}; "
            "set WORKBENCH_TRACES_URL"
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ids = _order_ids()
    provider = TracerProvider(resource=Resource.create({"service.name": service}), id_generator=ids)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=5)))
    return Tracer(provider, ids)


def _order_ids() -> Any:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class OrderIds(RandomIdGenerator):
        """Random ids, but for a span whose ids are given."""

        following: tuple[int, int] | None = None

        def generate_trace_id(self) -> int:
            return self.following[0] if self.following else int(super().generate_trace_id())

        def generate_span_id(self) -> int:
            found, self.following = self.following, None
            return found[1] if found else int(super().generate_span_id())

    return OrderIds()


def _ids_of(client_order_id: str) -> tuple[int, int]:
    digest = hashlib.sha256(client_order_id.encode()).digest()
    return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")
