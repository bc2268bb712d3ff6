"""report.html: one page, without scripts or anything from elsewhere."""

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

from core.datasets.manifest import DatasetRecord, ManifestHead
from matteforge.schemas.datasets import DatasetState
from workers.control.companions.table import Histogram

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;
color:#1c2024;background:#fff}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;
vertical-align:top}td{overflow-wrap:anywhere}.bars{width:100%}.bars td{white-space:nowrap}
.bars td:last-child{width:70%}.bar{background:#3e63dd;height:.8rem;display:block;margin-top:.35rem}
figure{margin:0}.row{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));
gap:1rem .8rem}.pair{display:flex}.pair img{width:50%;min-width:0}.pair img:only-child{width:100%}
figcaption{font-size:.8rem;color:#60646c}svg{background:#f6f7f9;max-width:100%}
.grid{display:flex;flex-wrap:wrap;gap:1rem}.grid figure{width:260px}
@media(prefers-color-scheme:dark){body{background:#18191b;color:#edeef0}svg{background:#212225}
figcaption{color:#b0b4ba}}
"""
REJECTED = "<p>What was rejected is in no shard; a few are kept as examples, by reason.</p>\n"
WIDTH, HEIGHT = 260, 90  # pixels of a histogram
MEDIA = {"png": "image/png", "webp": "image/webp", "jpg": "image/jpeg"}


def report(
    record: DatasetRecord,
    head: ManifestHead,
    histograms: Sequence[Histogram],
    pictures: Mapping[str, Sequence[Sequence[str]]],
    facts: Mapping[str, str],
) -> str:
    """The whole page; pictures: rows of one or two pictures as data URIs, and a caption."""
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>"
        for name, text in {**_figures(record, head), **facts}.items()
    )
    shown = "".join(
        f"<h2>{html.escape(title)}</h2><div class=row>{''.join(map(_figure, row))}</div>"
        for title, row in pictures.items()
        if row
    )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{html.escape(head.id)}</title><style>{STYLE}</style>
<h1>{head.counts.accepted} {html.escape(record.spec.source)} portraits</h1>
<table>{rows}</table>
<h2>Scores of what was delivered</h2><div class=grid>{"".join(map(_histogram, histograms))}</div>
<p>Red lines are thresholds: what lay beyond them was rejected.</p>
<h2>Where candidates went</h2>{_bars(_ways(head))}
{_attributes(head)}{shown}
{REJECTED if head.counts.rejected else ""}</html>
"""


def data_uri(suffix: str, content: bytes) -> str:
    """A picture inside the page."""
    kind = MEDIA[suffix.rpartition(".")[2]]
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _figures(record: DatasetRecord, head: ManifestHead) -> dict[str, str]:
    counts = head.counts
    begun = head.timestamps.get(DatasetState.RUNNING, record.created_at)
    elapsed_s = (head.timestamps[head.state] - begun).total_seconds()
    rate = f", {counts.accepted / elapsed_s:.2f} samples/s" if elapsed_s > 0 else ""
    share = f"{counts.accepted / counts.attempted:.1%}" if counts.attempted else "none"
    return {
        "dataset": head.id,
        "state": head.state.value + (f": {head.error.detail}" if head.error else ""),
        "samples": f"{counts.accepted} of {counts.requested} in "
        f"{counts.shards_done} shard{'' if counts.shards_done == 1 else 's'}",
        "accepted": f"{share} of {counts.attempted} candidates",
        "time": f"{elapsed_s:.0f} s from the start of the first shard to the end{rate}",
        "model": f"{record.spec.model} = {record.plan.bundle}",
        "seed": str(record.plan.seed),
    }


def _ways(head: ManifestHead) -> dict[str, int]:
    rejected = sorted(head.counts.rejected.items(), key=lambda item: -item[1])
    return {"accepted": head.counts.accepted} | {f"rejected: {name}": n for name, n in rejected}


def _bars(numbers: Mapping[str, int]) -> str:
    most = max(numbers.values(), default=0) or 1
    return "<table class=bars>" + "".join(
        f"<tr><td>{html.escape(name)}</td><td>{number}</td>"
        f'<td><span class=bar style="width:{100 * number / most:.1f}%"></span></td></tr>'
        for name, number in numbers.items()
    ) + "</table>"  # fmt: skip


def _attributes(head: ManifestHead) -> str:
    return "".join(
        f"<h2>{html.escape(name)}</h2>{_bars(values)}"
        for name, values in head.counts.attributes.items()
    )


def _histogram(found: Histogram) -> str:
    """Bars between the smallest and the largest score, with the thresholds beside them."""
    limits = [value for value in (found.threshold_min, found.threshold_max) if value is not None]
    low, high = min(found.low, *limits, found.high), max(found.low, *limits, found.high)
    scale = WIDTH / ((high - low) or 1.0)
    most = max(found.counts, default=0) or 1
    start = (found.low - low) * scale
    step = ((found.high - found.low) * scale or WIDTH) / max(len(found.counts), 1)
    bars = "".join(
        f'<rect x="{start + n * step:.1f}" y="{HEIGHT - HEIGHT * count / most:.1f}" '
        f'width="{max(0.9 * step, 1):.1f}" height="{HEIGHT * count / most:.1f}" fill="#3e63dd"/>'
        for n, count in enumerate(found.counts)
    )
    at = [min(max((limit - low) * scale, 1), WIDTH - 1) for limit in limits]
    lines = "".join(
        f'<path d="M{x:.1f} 0V{HEIGHT}" stroke="#e5484d" stroke-width="2"/>' for x in at
    )
    words = f"{html.escape(found.name)}: {found.low:.4g} to {found.high:.4g}"
    if limits:
        words += f"; threshold {' and '.join(f'{limit:.4g}' for limit in limits)}"
    return (
        f"<figure><svg width={WIDTH} height={HEIGHT} viewBox='0 0 {WIDTH} {HEIGHT}' role=img "
        f"aria-label='histogram of {words}'>{bars}{lines}</svg>"
        f"<figcaption>{words}</figcaption></figure>"
    )


def _figure(picture: Sequence[str]) -> str:
    *sources, caption = picture
    images = "".join(f'<img src="{source}" alt="">' for source in sources)
    return (
        f"<figure><div class=pair>{images}</div>"
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def summary(values: Sequence[Any]) -> str:
    """Quantiles (1 %, 50 %, 99 %) as a cell of a table."""
    low, middle, high = values
    return f"{middle:.4g} ({low:.4g} to {high:.4g})"
