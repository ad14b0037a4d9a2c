"""What `/metrics` tells, kept in memory or read when somebody asks (Prometheus' text format)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

MOST_SERIES = 1_000
"""So many series a figure with labels has at most: what reads them keeps each for long."""
Series = Mapping[tuple[str, ...], float]
"""A value for each combination of labels."""


@dataclass(frozen=True)
class Labelled:
    """A figure that many things have: read when somebody asks; the largest values are told, of the others how many they are."""

    name: str
    text: str
    labels: tuple[str, ...]
    read: Callable[[], Series]
    counts: bool
    left_out: dict[str, int] = field(compare=False)

    def collect(self) -> Iterator[Metric]:
        family: Any = (CounterMetricFamily if self.counts else GaugeMetricFamily)(self.name, self.text, labels=self.labels)
        found = sorted(self.read().items(), key=lambda item: (-item[1], item[0]))
        for labels, value in found[:MOST_SERIES]:
            family.add_metric(labels, value)
        self.left_out[self.name] = len(found[MOST_SERIES:])
        yield family

    def describe(self) -> list[Metric]:
        return []


class Metrics:
    """Figures of the front door, and those that modules add: `gauge` for one, `labelled` for one of each of many things."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("cloudd_http_requests", "Requests answered", ("service", "method", "status"),
                                registry=self.registry)
        self.seconds = Histogram("cloudd_http_request_seconds", "Time to answer", ("service",), registry=self.registry,
                                 buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10))
        self.gauges: dict[str, Gauge] = {}
        self.left_out: dict[str, int] = {}

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A figure that is read when somebody asks."""
        self.gauges[name] = Gauge(name, text, registry=self.registry)
        self.gauges[name].set_function(read)

    def labelled(self, name: str, text: str, labels: tuple[str, ...], read: Callable[[], Series], *, counts: bool = False) -> None:
        """A figure of each of many things, told apart by labels, that is read when somebody asks; `counts`: it only grows (its name
        ends in `_total` then)."""
        if not self.left_out:
            self.gauge("cloudd_metrics_series_left_out", f"Series that are not told, since a figure has more than {MOST_SERIES}",
                       lambda: sum(self.left_out.values()))
        self.left_out[name] = 0
        self.registry.register(Labelled(name, text, labels, read, counts, self.left_out))
