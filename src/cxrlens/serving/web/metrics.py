"""What the server counts, for Prometheus. No label holds anything that a client chose."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter("cxrlens_requests", "Requests answered.", ("method", "route", "status"), registry=r)
        self.seconds = Histogram(
            "cxrlens_request_seconds", "Time to an answer.", ("route",), buckets=_SECONDS, registry=r
        )
        self.radiographs = Counter("cxrlens_radiographs", "Radiographs by what was said.", ("status",), registry=r)
        self.batch = Histogram(
            "cxrlens_batch_size", "Radiographs judged together.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=r
        )
        self.judging = Histogram("cxrlens_judging_seconds", "Time of one batch.", buckets=_SECONDS, registry=r)
        self.problems = Counter("cxrlens_problems", "Requests answered with a problem.", ("kind",), registry=r)
        self.queue = Gauge("cxrlens_queue_depth", "Radiographs waiting or being judged.", registry=r)
        self.kept = Gauge("cxrlens_results_kept", "Results in memory.", registry=r)
        self.kept_bytes = Gauge("cxrlens_results_bytes", "Bytes of the results in memory.", registry=r)
        self.faults = Counter("cxrlens_faults", "Faults of the program itself.", registry=r)

    def text(self) -> bytes:
        """In the text format."""
        return bytes(generate_latest(self.registry))
