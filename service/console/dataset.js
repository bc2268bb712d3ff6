// One dataset: how far it is, its pictures, its scores, its files, where it comes from.
import { api, ENDED, pages } from "./api.js";
import { bars, histogram } from "./charts.js";
import { actionsOf, labels, progressOf, refreshing, shownState } from "./dataset-row.js";
import { badge, date, facts, h, put, redraw } from "./dom.js";
import { drawFiles } from "./files.js";
import { another, drawComparison } from "./derived.js";
import { gallery } from "./gallery.js";
import { drawOrigin } from "./lineage.js";
import { drawRejected } from "./rejected.js";
import { guard } from "./notices.js";

const SCORED = 1000;

export async function datasetPage({ id, signal }) {
  let dataset = await api(`/v1/datasets/${id}`, { signal });
  const head = h("div"),
    side = h("div", { class: "columns" });
  const comparison = h("p", { role: "status" });
  const derived = section("Make another from it");
  const makeAnother = another(dataset);
  derived.body.append(makeAnother.element);
  const pictures = gallery(id, signal, makeAnother.open);
  const scores = section("Scores"),
    rejected = section("Rejected"),
    files = section("Files"),
    origin = section("Where it comes from");
  let counted = "";

  async function update(now) {
    dataset = now;
    document.title = `${shownState(now)} ${now.counts.accepted}/${now.counts.requested} · MatteForge`;
    redraw(head, headOf(now, update));
    const step = `${now.counts.shards_done} ${now.state}`;
    if (step !== counted) {
      counted = step;
      await Promise.all([
        pictures.refresh(now),
        filled(scores.body, drawScores(scores.body, now, signal)),
        filled(rejected.body, drawRejected(rejected.body, now, signal)),
        filled(files.body, drawFiles(files.body, now, signal)),
        filled(comparison, drawComparison(comparison, now, signal)),
      ]);
    }
    derived.element.hidden = !ENDED.has(now.state) || now.counts.accepted === 0;
    drawOrigin(origin.body, now, signal);
  }

  const first = update(dataset);
  if (!ENDED.has(dataset.state)) refreshing(id, signal, guard(update));
  await first;
  side.append(
    scores.element,
    rejected.element,
    files.element,
    h("div", {}, origin.element, derived.element),
  );
  return [head, comparison, pictures.element, side];
}

/** Waits for a section; what goes wrong is told in it, and the rest of the page stays. */
async function filled(body, work) {
  try {
    await work;
  } catch (error) {
    if (error.name !== "AbortError") put(body, h("p", { class: "field-error" }, error.message));
  }
}

function section(title) {
  const body = h("div");
  return { element: h("section", {}, h("h2", {}, title), body), body };
}

function headOf(dataset, update) {
  const { spec, counts } = dataset;
  const shares = Object.entries(counts.attributes ?? {});
  return [
    h(
      "div",
      { class: "head" },
      h("h1", {}, h("code", {}, dataset.id), " ", badge(shownState(dataset))),
      h(
        "div",
        { class: "actions" },
        actionsOf(dataset, {
          changed: update,
          gone: () => {
            location.hash = "#/datasets";
          },
        }),
      ),
    ),
    h("div", { class: "progress wide", role: "status" }, progressOf(dataset)),
    facts([
      ["Source", spec.source],
      ["Model", spec.model],
      ["Seed", String(spec.seed)],
      ["Ordered", date(dataset.timestamps.queued)],
      ["Ended", ENDED.has(dataset.state) ? date(dataset.timestamps[dataset.state]) : null],
      ["Shards", `${counts.shards_done} of ${counts.shards_total}`],
      ["Format", `${spec.image_format}, alpha of ${spec.alpha_bits} bits`],
      ["psi", spec.truncation_psi],
      ["Size", spec.size ? `${spec.size} px` : null],
      ["Members", spec.members?.join(", ")],
      [
        "Webhook",
        spec.webhook_url
          ? h("a", { href: `#/webhooks?dataset=${dataset.id}` }, "deliveries")
          : null,
      ],
    ]),
    labels(spec.labels),
    shares.length
      ? h(
          "details",
          {},
          h("summary", {}, "Attributes"),
          h(
            "div",
            { class: "charts" },
            shares.map(([name, values]) => bars(name, values)),
          ),
        )
      : null,
  ];
}

async function drawScores(body, dataset, signal) {
  if (dataset.counts.accepted === 0) {
    put(body, h("p", {}, "Scores appear with the first shard."));
    return;
  }
  const { items, more } = await pages(
    `/v1/datasets/${dataset.id}/samples?limit=${SCORED}`,
    SCORED,
    { signal },
  );
  const limits = items[0]?.thresholds ?? {};
  const names = Object.keys(items[0]?.scores ?? {});
  put(
    body,
    h(
      "p",
      { class: "quiet" },
      more ? `Of the first ${SCORED.toLocaleString()} samples. ` : "",
      "A dashed line is a threshold: what lies beyond it was rejected.",
    ),
    h(
      "div",
      { class: "charts" },
      names.map((name) =>
        histogram(
          name,
          items.map((item) => item.scores[name]),
          limitsOf(name, limits),
        ),
      ),
    ),
  );
}

function limitsOf(score, thresholds) {
  return [score, `${score}_min`, `${score}_max`]
    .filter((name) => name in thresholds)
    .map((name) => thresholds[name]);
}
