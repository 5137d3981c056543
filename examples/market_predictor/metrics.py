"""What Prometheus may scrape, in a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests_total",
            "Requests answered, by method, path and status code.",
            ("method", "path", "status"),
            registry=self._registry,
        )
        self._predictions = Counter(
            "prediction_requests_total",
            "Predictions asked for, by status code and timeframe.",
            ("status", "timeframe"),
            registry=self._registry,
        )
        self._durations = Histogram(
            "prediction_duration_seconds",
            "Time from request to answer of a prediction.",
            registry=self._registry,
        )

    def count_request(self, *, method: str, path: str, status: int) -> None:
        """Count an answer; `path` is a route's template, so that clients cannot invent label values."""
        self._requests.labels(method, path, str(status)).inc()

    def count_prediction(self, *, status: int, timeframe: str, seconds: float) -> None:
        """Count a prediction and how long it took."""
        self._predictions.labels(str(status), timeframe).inc()
        self._durations.observe(seconds)

    def as_text(self) -> bytes:
        """Write all in Prometheus's text format."""
        return generate_latest(self._registry)
