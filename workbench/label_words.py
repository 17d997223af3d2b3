"""How long actuals take, in words: pure, and cheap to import, since pages tell them, too."""

from __future__ import annotations

from workbench.performance_result import Labels

# Of these shares of the actuals it is told how long they took.
SHARES = (0.25, 0.5, 0.75, 0.95)


def curve_told(told: Labels) -> str:
    """How long actuals usually take, in words; empty while none has come.

    >>> curve_told(Labels(sentence="", delays=((60.0, 0.3), (3600.0, 0.9), (7200.0, 1.0))))
    'of the actuals that come, 25% do within 60 s, 50% within 60 min, 75% within 60 min, 95% within 2 h'
    """
    if not told.delays:
        return ""
    within = [next(seconds for seconds, share in told.delays if share >= q - 1e-9) for q in SHARES]
    parts = [
        f"{q:.0%}{'' if i else ' do'} within {span(s)}" for i, (q, s) in enumerate(zip(SHARES, within, strict=True))
    ]
    return f"of the actuals that come, {', '.join(parts)}"


def span(seconds: float) -> str:
    """A duration as people say it.

    >>> [span(s) for s in (0.25, 90.0, 7200.0, 200_000.0)]
    ['0.25 s', '90 s', '2 h', '2.31 days']
    """
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7_200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3_600:.3g} h" if seconds < 172_800 else f"{seconds / 86_400:.3g} days"
