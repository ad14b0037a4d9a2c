"""Figures with labels in `/metrics`."""

from prometheus_client import generate_latest

from cloudd.core.http.metrics import MOST_SERIES, Metrics


def told(metrics: Metrics) -> list[str]:
    return [line for line in generate_latest(metrics.registry).decode().splitlines() if not line.startswith("#")]


def test_a_module_tells_a_figure_of_each_of_many_things():
    metrics, found = Metrics(), {("a", "in"): 3.0, ("a", "out"): 1.0}
    metrics.labelled("cloudd_things", "Things", ("thing", "direction"), lambda: found, counts=True)
    metrics.labelled("cloudd_heights", "Heights", ("thing",), lambda: {("b",): 2.5})
    lines = told(metrics)
    assert 'cloudd_things_total{direction="in",thing="a"} 3.0' in lines or 'cloudd_things_total{thing="a",direction="in"} 3.0' in lines
    assert 'cloudd_heights{thing="b"} 2.5' in lines
    found.clear()
    assert not [line for line in told(metrics) if line.startswith("cloudd_things_total")]


def test_a_figure_of_very_many_things_tells_the_largest_and_how_many_are_left_out():
    metrics = Metrics()
    metrics.labelled("cloudd_things", "Things", ("thing",), lambda: {(f"t{number}",): number for number in range(MOST_SERIES + 7)})
    told(metrics)
    lines = told(metrics)
    series = [line for line in lines if line.startswith("cloudd_things{")]
    assert len(series) == MOST_SERIES and f'cloudd_things{{thing="t{MOST_SERIES + 6}"}} {MOST_SERIES + 6}.0' in series
    assert not [line for line in series if '"t6"' in line] and "cloudd_metrics_series_left_out 7.0" in lines
