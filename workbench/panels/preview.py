"""What a switch would change: the metrics, what the other version takes, how it was made, what it would have said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workbench.differences import differences
from workbench.panels.base import Markup, table, tag
from workbench.panels.sides import cell
from workbench.panels.view import View
from workbench.records import Metadata
from workbench.show.sheet import clock, number
from workbench.whatif_result import Differs, WhatIf

# Of the fields that differ, those that matter to who switches; the comparison of two versions has all.
MADE = ("ensemble", "recipe", "refitted", "parameters.", "libraries.")


def preview(view: View, target: str, question: str, asked: WhatIf | None = None) -> Markup:
    """The question, and what its answer would change.

    Parameters
    ----------
    target : id of the version that would go live
    asked : what-if of that version, if there is one
    """
    known = {m.version_id: m for m in view.versions}
    live, new = known.get(view.live.version_id) if view.live else None, known.get(target)
    parts = [tag("p", tag("b", question))]
    if live is None or new is None:
        missing = "nothing is live" if view.live is None else "the metadata of one of the two cannot be read"
        parts.append(tag("p", f"There is nothing to set beside each other: {missing}.", "wb-wait"))
    else:
        found = list(differences(live, new))
        parts += [_inputs(found), _metrics(live, new), _made(found, live.version_id, target)]
    parts.append(_said(asked, target))
    return Markup("".join(parts))


def _inputs(found: Sequence[Differs]) -> Markup:
    """Whoever asks for predictions has to know what a version takes."""
    lines = list(_schema(found))
    if not lines:
        return tag("p", tag("span", "✓ It takes the same inputs, of the same kinds.", "wb-good"))
    listed = Markup("".join(tag("li", line) for line in lines))
    return Markup(tag("p", tag("b", "▲ It takes other inputs:", "wb-bad")) + tag("ul", listed))


def _schema(found: Sequence[Differs]) -> Iterator[str]:
    for d in found:
        head, _, name = d.field.partition(".")
        if head != "features":
            continue
        if name.endswith(".categories"):
            lost, won = (", ".join(values) or "none" for values in (d.a, d.b))
            yield f"{name.removesuffix('.categories')}: values that only the live one knows: {lost}; only it: {won}"
        elif d.a is None:
            yield f"{name} ({d.b}) is taken, which the live one does not ask for"
        elif d.b is None:
            yield f"{name} ({d.a}) is no longer taken"
        else:
            yield f"{name} is taken as {d.b}, not as {d.a}"


def _metrics(live: Metadata, new: Metadata) -> Markup:
    names = list(dict.fromkeys([*live.metrics, *new.metrics]))
    rows = [
        *((name, number(live.metrics.get(name)), number(new.metrics.get(name))) for name in names),
        ("rows to learn from", f"{live.training_data.fit.rows:,}", f"{new.training_data.fit.rows:,}"),
        ("newest of them", *(clock(m.training_data.fit.end or "") for m in (live, new))),
        ("gate", live.gate.sentence, new.gate.sentence),
    ]
    caption = "When they were made, each on rows of its own"
    return table(caption, ["", f"{live.version_id} (live)", new.version_id], rows, css=["", "wb-some", "wb-some"])


def _made(found: Sequence[Differs], live: str, new: str) -> Markup:
    told = [d for d in found if d.field.startswith(MADE)]
    if not told:
        return tag("p", "✓ Made alike: ensemble, recipe, parameters and libraries are the same.")
    rows = [(d.field, cell(d.a), cell(d.b)) for d in told]
    head = ["", f"{live} (live)", new]
    return table("Made otherwise", head, rows, css=["", "wb-some", "wb-some"])


def _said(asked: WhatIf | None, target: str) -> Markup:
    if asked is None:
        return tag(
            "p", f"What {target} would have said to the window has not been asked here; a what-if tells.", "wb-quiet"
        )
    return tag("p", Markup(f"{tag('b', f'What-if over {asked.n:,} recorded inputs')}: {tag('span', asked.sentence)}"))
