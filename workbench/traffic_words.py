"""What is said of the traffic: figures with their intervals, in a sentence and in a table.

`level` stands before an interval; a table, where the head of the column tells it, leaves it empty.
"""

from __future__ import annotations

from workbench.evaluation import Traffic


def mean_told(traffic: Traffic, *, level: str = "95 %: ") -> str:
    """The mean response time and its interval.

    >>> mean_told(Traffic(requests=90, rows=90, mean_s=0.0123, mean_interval_s=(0.0119, 0.0128)))
    '12.3 ms (95 %: 11.9 to 12.8)'
    """
    if traffic.mean_s is None:
        return "-"
    told = f"{traffic.mean_s * 1e3:.1f} ms"
    if traffic.mean_interval_s is None:
        return told
    low, high = traffic.mean_interval_s
    return f"{told} ({level}{low * 1e3:.1f} to {high * 1e3:.1f})"


def p95_told(traffic: Traffic, *, level: str = "95 %: ") -> str:
    """The 95th percentile and its interval; where there are too few requests for either, the longest response.

    >>> p95_told(Traffic(requests=9, rows=9, mean_s=0.0123, max_s=0.0204))
    'longest 20.4 ms'
    >>> p95_told(Traffic(requests=30, rows=30, p95_s=0.03, p95_interval_s=(0.028, 0.04), max_s=0.04))
    '30.0 ms (95 %: at least 28.0, longest 40.0)'
    """
    if traffic.p95_s is None:
        return "-" if traffic.max_s is None else f"longest {traffic.max_s * 1e3:.1f} ms"
    told = f"{traffic.p95_s * 1e3:.1f} ms"
    if traffic.p95_interval_s is None:
        return told
    low, high = traffic.p95_interval_s
    upper = f"at least {low * 1e3:.1f}, longest" if low < high == traffic.max_s else f"{low * 1e3:.1f} to"
    return f"{told} ({level}{upper} {high * 1e3:.1f})"


def failures_told(traffic: Traffic, *, level: str = "95 %: ") -> str:
    """The share of requests that were answered with 5xx, and its interval.

    >>> failures_told(Traffic(requests=50, rows=50, share_5xx=0.02, share_5xx_interval=(0.0035, 0.105)))
    '2.0% (95 %: 0.4% to 10.5%)'
    """
    if traffic.share_5xx is None:
        return "-"
    if traffic.share_5xx_interval is None:
        return f"{traffic.share_5xx:.1%}"
    low, high = traffic.share_5xx_interval
    return f"{traffic.share_5xx:.1%} ({level}{low:.1%} to {high:.1%})"
