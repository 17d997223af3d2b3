"""What a PromQL expression names: enough of the language to hold dashboards and rules against a scrape."""

import re
from dataclasses import dataclass

FUNCTIONS_OF_COUNTERS = ("rate", "increase", "irate", "resets")
WORDS = {
    *("sum", "min", "max", "avg", "count", "topk", "absent", "time", "changes", "histogram_quantile", "vector"),
    *("rate", "increase", "irate", "resets", "label_values"),
    *("by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool"),
}
TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|\d+(?:\.\d+)?(?:e-?\d+)?|=~|!~|!=|==|>=|<=|\S'
)
GROUPING = ("by", "without", "on", "ignoring", "group_left", "group_right")
MATCHERS = {
    "=": lambda found, wanted: found == wanted,
    "!=": lambda found, wanted: found != wanted,
    "=~": lambda found, wanted: re.fullmatch(wanted, found) is not None,
    "!~": lambda found, wanted: re.fullmatch(wanted, found) is None,
}


@dataclass(frozen=True)
class Selector:
    """A metric, the labels that are asked of it, and the function right around it."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    function: str | None
    ranged: bool

    def takes(self, labels: dict[str, str]) -> bool:
        """Whether a sample's labels match; those that Prometheus adds itself are not asked."""
        ours = [m for m in self.matchers if m[0] not in ("instance", "job")]
        return all(MATCHERS[how](labels.get(label, ""), wanted) for label, how, wanted in ours)


def selectors(expression: str) -> list[Selector]:
    """Every metric that an expression names; anything it does not know is taken for one, and so is found out."""
    tokens = TOKEN.findall(expression)
    found, i = [], 0
    while i < len(tokens):
        token = tokens[i]
        after = tokens[i + 1] if i + 1 < len(tokens) else ""
        if token in GROUPING and after == "(":
            i = tokens.index(")", i)
        elif re.match(r"[a-zA-Z_:]", token) and token not in WORDS:
            around = tokens[i - 2] if i > 1 and tokens[i - 1] == "(" else None
            matchers, i = _matchers(tokens, i + 1)
            ranged = i + 1 < len(tokens) and tokens[i + 1].startswith("[")
            found.append(Selector(token, matchers, around, ranged))
        i += 1
    return found


def grouping(expression: str) -> set[str]:
    """The labels that are grouped by."""
    tokens, found = TOKEN.findall(expression), set()
    for i, token in enumerate(tokens):
        if token in GROUPING and tokens[i + 1] == "(":
            found |= {t for t in tokens[i + 2 : tokens.index(")", i)] if t != ","}
    return found


def _matchers(tokens: list[str], i: int) -> tuple[tuple[tuple[str, str, str], ...], int]:
    """What is in braces from there on, and the place of its last token."""
    if i >= len(tokens) or tokens[i] != "{":
        return (), i - 1
    end = tokens.index("}", i)
    inside = [t for t in tokens[i + 1 : end] if t != ","]
    groups = zip(inside[::3], inside[1::3], inside[2::3], strict=True)
    return tuple((label, how, value[1:-1]) for label, how, value in groups), end
