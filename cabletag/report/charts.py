"""Charts as static SVG: specifications by Altair, drawn by vl-convert, without scripts and without a network."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from itertools import permutations
from textwrap import wrap
from typing import Any

import numpy as np

from cabletag.report.overview import Overview, Share

BLUE, ORANGE = "#0072B2", "#D55E00"  # Okabe and Ito (2008): told apart by colour-blind readers; shapes differ too
_SVG = "http://www.w3.org/2000/svg"
_FONT = "Helvetica Neue, Arial, sans-serif"


def shares_chart(
    overview: Overview, names: Mapping[str, str], order: Sequence[str], width: int, title: str, key: str
) -> str:
    """Per label the share of passages (dot) and of documents (diamond), with 95% intervals, as SVG `width` pixels wide."""
    import altair as alt

    kinds = {"passages": overview.passages, "documents": overview.in_documents}
    narrow = width < 500
    room = 150 if narrow else 270  # for the labels
    lines = {label: "\n".join(wrap(names[label], 21 if narrow else 60)) for label in order}
    rows = [{"at": lines[label], **_row(of(label)), "of": kind} for label in order for kind, of in kinds.items()]
    axis = _axis(
        labelExpr="split(datum.value, '\\n')",
        labelLineHeight=13,
        labelLimit=280,
        minExtent=room,
        maxExtent=room,
        grid=True,
    )
    colours = alt.Scale(domain=list(kinds), range=[BLUE, ORANGE])
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("at:N", sort=None, title=None, axis=axis),
        yOffset=alt.YOffset("of:N", sort=list(kinds), scale=alt.Scale(paddingInner=0.4, paddingOuter=0.5)),
        color=alt.Color("of:N", scale=colours, legend=None),
    )
    most = float(np.nanmax([row["high"] for row in rows], initial=0.0))
    across = {"axis": _percent(most, 4 if narrow else 8), "title": "share that carries the label"}
    shapes = alt.Shape("of:N", scale=alt.Scale(domain=list(kinds), range=["circle", "diamond"]), legend=None)
    chart = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", **across), x2="high:Q") + base.mark_point(
        filled=True, size=60, opacity=1
    ).encode(x=alt.X("share:Q", **across), shape=shapes)
    sized = chart.properties(width=width - room - 20, height=alt.Step(13 if narrow else 10))
    return _svg(sized, title, _told(rows, "of"), key)


def panel(points: Mapping[str, Share], top: float, ordered: bool, title: str, key: str) -> str:
    """One label over time (`ordered`: a line with its band) or over groups (dots with intervals), on a scale up to `top`."""
    import altair as alt

    rows = [{"at": at, **_row(share)} for at, share in points.items() if share.base]
    within = [row | {"high": min(row["high"], top)} for row in rows]  # bounds of tiny bases leave the scale
    data = alt.Chart(alt.Data(values=within))
    shares = {"scale": alt.Scale(domain=[0, top], nice=False), "axis": _percent(top, 3), "title": None}
    if ordered:
        values = [row["at"] for row in rows]
        axis = _axis(values=values[:: math.ceil(len(values) / 5)], labelAngle=0, grid=False, labelFlush=True)
        base = data.encode(x=alt.X("at:O", sort=None, title=None, axis=axis))
        middle = base.encode(y=alt.Y("share:Q", **shares))
        chart = (
            base.mark_area(color=BLUE, opacity=0.22, line=False).encode(y=alt.Y("low:Q", **shares), y2="high:Q")
            + middle.mark_line(color=BLUE, strokeWidth=2)
            + middle.mark_point(color=BLUE, filled=True, size=16, opacity=1)
        ).properties(width=226, height=110)
    else:
        axis = _axis(labelLimit=125, minExtent=130, maxExtent=130)
        base = data.encode(y=alt.Y("at:N", sort=None, title=None, axis=axis))
        chart = _dots(base, shares, 40).properties(width=130, height=alt.Step(17))
    return _svg(chart, title, _told(rows), key)


def together_chart(overview: Overview, names: Mapping[str, str], order: Sequence[str], title: str, key: str) -> str:
    """Of the passages with the row's label, the share that carry the column's too; the number stands in its cell."""
    import altair as alt

    rows: list[dict[str, Any]] = []
    for one, other in permutations(order, 2):
        first, second = overview.labels.index(one), overview.labels.index(other)
        if base := int(overview.passage_counts[first]):
            share = Share(int(overview.pairs[first, second]), base)
            text = f"{100 * share.value:.0f}" if share.count else ""
            rows.append({"row": names[one], "column": names[other], "share": share.value, "text": text})
    shown = [names[label] for label in order]
    base_chart = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("column:N", sort=shown, title=None, axis=_axis(orient="top", labelAngle=-60, labelLimit=220)),
        y=alt.Y("row:N", sort=shown, title=None, axis=_axis(labelLimit=280)),
    )
    most = max([row["share"] for row in rows], default=0) or 1
    opacity = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, most], range=[0.03, 0.75]), legend=None)
    chart = base_chart.mark_rect(color=BLUE).encode(opacity=opacity) + base_chart.mark_text(
        fontSize=11, color="currentColor"
    ).encode(text="text:N")
    strongest = sorted(rows, key=lambda row: -row["share"])[:3]
    told = "; ".join(f"{row['share']:.0%} of {row['row']} carry {row['column']}" for row in strongest)
    return _svg(chart.properties(width=alt.Step(30), height=alt.Step(24)), title, f"Highest: {told}.", key)


def values_chart(
    rows: Sequence[tuple[str, float, float | None, float | None]], what: str, width: int, title: str, key: str
) -> str:
    """Per (name, value, low, high), all between 0 and 1, a dot with its interval if it has one, as SVG `width` pixels wide."""
    import altair as alt

    room = 150 if width < 500 else 270  # for the names
    found = [
        {"at": at, "share": value, "low": value if low is None else low, "high": value if high is None else high}
        for at, value, low, high in rows
    ]
    axis = _axis(labelLimit=room, minExtent=room, maxExtent=room, grid=True)
    base = alt.Chart(alt.Data(values=found)).encode(y=alt.Y("at:N", sort=None, title=None, axis=axis))
    chart = _dots(base, _unit(what), 60)
    return _svg(chart.properties(width=width - room - 20, height=alt.Step(18)), title, _told(found), key)


def reliability_chart(bins: Sequence[tuple[float, float, int, float, float]], title: str, key: str) -> str:
    """Share coded so over mean probability, for bins (low, high, pairs, mean probability, share); the diagonal is a perfect calibration."""
    import altair as alt

    rows = [{"probability": mean, "share": share, "pairs": pairs} for _, _, pairs, mean, share in bins if pairs]
    x, y = alt.X("probability:Q", **_unit("probability")), alt.Y("share:Q", **_unit("share coded so"))
    diagonal = alt.Data(values=[{"probability": at, "share": at} for at in (0, 1)])
    chart = alt.Chart(diagonal).mark_line(color="currentColor", strokeDash=[4, 4], opacity=0.5).encode(
        x, y
    ) + alt.Chart(alt.Data(values=rows)).mark_point(color=BLUE, filled=True, size=60, opacity=1).encode(x, y)
    told = "; ".join(f"probability {row['probability']:.2f}: {row['share']:.0%} of {row['pairs']:,}" for row in rows)
    return _svg(chart.properties(width=240, height=240), title, f"{told}.", key)


def top_of(shares: Sequence[Share]) -> float:
    """Where a common scale ends: a little over the greatest upper bound, the bounds of tiny bases aside."""
    solid = [share.interval[1] for share in shares if share.base >= 30] or [
        share.interval[1] for share in shares if share.base
    ]
    return min(1.0, max([math.ceil(bound * 50) / 50 for bound in solid], default=1.0) or 1.0)


def _row(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {"share": share.value, "low": low, "high": high, "n": share.base}


def _told(rows: Sequence[Mapping[str, Any]], kind: str = "") -> str:
    """The chart in words, for who does not see it."""
    parts = []
    for row in rows:
        name = " ".join(row["at"].split()) + (f", {row[kind]}" if kind else "")
        parts.append(f"{name}: {row['share']:.1%} ({row['low']:.1%} to {row['high']:.1%})")
    return "; ".join(parts[:40]) + (f"; and {len(parts) - 40} more, in the table" if len(parts) > 40 else "") + "."


def _percent(most: float, ticks: int) -> Any:
    return _axis(format="%" if most >= 0.04 else ".1%", tickCount=ticks)


def _dots(base: Any, across: Mapping[str, Any], size: int) -> Any:
    """A dot at `share` on a line from `low` to `high`."""
    import altair as alt

    lines = base.mark_rule(color=BLUE, strokeWidth=2).encode(x=alt.X("low:Q", **across), x2="high:Q")
    points = base.mark_point(color=BLUE, filled=True, size=size, opacity=1).encode(x=alt.X("share:Q", **across))
    return lines + points


def _unit(title: str) -> dict[str, Any]:
    """A scale from 0 to 1."""
    import altair as alt

    return {"scale": alt.Scale(domain=[0, 1]), "axis": _axis(tickCount=5, format=".1f"), "title": title}


def _axis(**options: Any) -> Any:
    import altair as alt

    return alt.Axis(domain=False, ticks=False, **options)


def _svg(chart: Any, title: str, description: str, key: str) -> str:
    """The chart drawn; text takes the page's colour, and the whole is one image with a title and a description."""
    import vl_convert

    plain = {"labelColor": "currentColor", "titleColor": "currentColor", "labelFont": _FONT, "titleFont": _FONT,
             "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelPadding": 7, "gridColor": "currentColor", "gridOpacity": 0.14}  # fmt: skip
    drawn = chart.properties(background="transparent", padding=4).configure_view(stroke=None).configure_axis(**plain)
    root = ET.fromstring(vl_convert.vegalite_to_svg(drawn.to_dict(), allowed_base_urls=[]))
    for element in root.iter():
        for name in [name for name in element.attrib if name == "role" or name.startswith("aria-")]:
            del element.attrib[name]
    width = float(root.attrib.pop("width"))
    del root.attrib["height"]
    root.attrib.update(
        {"role": "img", "aria-labelledby": f"{key}-t {key}-d", "class": "chart", "data-width": f"{width:.0f}"}
    )
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{key}-{tag[0]}"})
        element.text = text
        root.insert(place, element)
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode")
