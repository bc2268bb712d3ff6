// One dataset: how far it is, its pictures, its scores, its files, where it comes from.
import { api, ENDED, pages, raw, stringify } from "/console/api.js";
import {
  badge,
  button,
  bytes,
  code,
  date,
  facts,
  h,
  put,
  short,
  table,
  tree,
} from "/console/dom.js";
import { bars, histogram } from "/console/charts.js";
import { actionsOf, labels, progressOf, refreshing, shownState } from "/console/datasets.js";
import { gallery } from "/console/gallery.js";
import { guard } from "/console/notices.js";

const SCORED = 1000,
  SHARDS = 200;

export async function datasetPage({ id, signal }) {
  let dataset = await api(`/v1/datasets/${id}`, { signal });
  const head = h("div"),
    side = h("div", { class: "columns" });
  const pictures = gallery(id, signal);
  const scores = section("Scores"),
    files = section("Files"),
    origin = section("Where it comes from");
  let counted = -1;

  async function update(now) {
    dataset = now;
    document.title = `${shownState(now)} ${now.counts.accepted}/${now.counts.requested} · MatteForge`;
    put(head, headOf(now, update));
    if (now.counts.shards_done !== counted) {
      counted = now.counts.shards_done;
      await Promise.all([
        pictures.refresh(now),
        filled(scores.body, drawScores(scores.body, now, signal)),
        filled(files.body, drawFiles(files.body, now, signal)),
      ]);
    }
    drawOrigin(origin.body, now, signal);
  }

  const first = update(dataset);
  if (!ENDED.has(dataset.state)) refreshing(id, signal, guard(update));
  await first;
  side.append(scores.element, files.element, origin.element);
  return [head, pictures.element, side];
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
  const rejected = Object.entries(dataset.counts.rejected).sort(([, a], [, b]) => b - a);
  const why = rejected.length
    ? bars("Rejected, by the first criterion that failed", Object.fromEntries(rejected))
    : h("p", {}, "Nothing was rejected so far.");
  if (dataset.counts.accepted === 0) {
    put(body, h("p", {}, "Scores appear with the first shard."), why);
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
    why,
  );
}

function limitsOf(score, thresholds) {
  return [score, `${score}_min`, `${score}_max`]
    .filter((name) => name in thresholds)
    .map((name) => thresholds[name]);
}

async function drawFiles(body, dataset, signal) {
  const { items, more } = await pages(`/v1/datasets/${dataset.id}/shards?limit=100`, SHARDS, {
    signal,
  });
  const base = `/v1/datasets/${dataset.id}`;
  const shards = table(
    "Shards",
    ["Shard", "Samples", "Size", "sha256"],
    items.map((shard) => [
      h("a", { href: `${base}/shards/${shard.name}`, download: shard.name }, shard.name),
      shard.samples,
      bytes(shard.size_bytes),
      short(shard.sha256),
    ]),
  );
  const total = items.reduce((sum, shard) => sum + shard.size_bytes, 0);
  const all = button(
    `Download all ${items.length} (${bytes(total)})`,
    guard(() => downloadAll(items, base)),
    { disabled: more },
  );
  const extra = Object.entries(dataset.links).filter(([name]) => /\.[a-z]+$/.test(name));
  put(
    body,
    items.length
      ? h(
          "p",
          { class: "actions" },
          all,
          ENDED.has(dataset.state)
            ? h(
                "a",
                {
                  class: "button",
                  href: `${base}/manifest`,
                  download: `${dataset.id}-manifest.json`,
                },
                "manifest.json",
              )
            : null,
          extra.map(([name, href]) => h("a", { class: "button", href, download: name }, name)),
        )
      : h("p", {}, "The first shard is not committed yet."),
    items.length ? shards : null,
    more ? h("p", {}, `The first ${SHARDS} shards; the command below fetches all.`) : null,
    h("h3", {}, "By command"),
    code(`matteforge download ${dataset.id} --url ${location.origin}`, "Download by command"),
    h("h3", {}, "Read it in Python"),
    code(reader(dataset), "Read it in Python"),
  );
}

async function downloadAll(items, base) {
  for (const shard of items) {
    const link = h("a", { href: `${base}/shards/${shard.name}`, download: shard.name });
    document.body.append(link);
    link.click();
    link.remove();
    await new Promise((wait) => {
      setTimeout(wait, 400);
    });
  }
}

function reader(dataset) {
  return `import os

import webdataset as wds
from matteforge import MatteForge

with MatteForge("${location.origin}", os.environ["MATTEFORGE_API_KEY"]) as client:
    urls = [shard.url for shard in client.shards("${dataset.id}")]
for sample in wds.WebDataset(urls, shardshuffle=False).decode("rgb"):
    image, alpha = sample["image.${{ jpeg: "jpg" }[dataset.spec.image_format] ?? dataset.spec.image_format}"], sample["alpha.png"]`;
}

function drawOrigin(body, dataset, signal) {
  if (body.children.length) return;
  const manifest = h(
    "details",
    {
      ontoggle: guard(async () => {
        if (!manifest.open || manifest.dataset.read) return;
        const answer = await raw(`/v1/datasets/${dataset.id}/manifest`, { signal });
        manifest.dataset.read = "1";
        manifest.append(code((await answer.text()).slice(0, 20000), "manifest.json"));
      }),
    },
    h("summary", {}, "Manifest (written at the end)"),
  );
  const model = dataset.spec.model.split("@")[0];
  const lineage = h("div");
  body.append(
    facts([
      ["Bundle", short(dataset.bundle)],
      ["Model", h("a", { href: `#/models/${model}` }, dataset.spec.model)],
    ]),
    lineage,
    h("details", {}, h("summary", {}, "The order"), code(stringify(dataset.spec, 1), "The order")),
    manifest,
  );
  drawLineage(lineage, model, dataset.bundle, signal).catch(() => {});
}

async function drawLineage(body, model, digest, signal) {
  const [version, history, runs] = await Promise.all([
    api(`/v1/models/${model}/versions/${digest}`, { signal }),
    api(`/v1/models/${model}/history`, { signal }),
    api(`/v1/training-runs?domain=${model}&limit=100`, { signal }),
  ]);
  const move = history.items.find((item) => item.digest === digest);
  const run = runs.items.find((item) => item.candidate === digest);
  body.append(
    facts([
      ...Object.entries(version.files).map(([name, sha256]) => [name, short(sha256)]),
      ["Published", move ? `${move.alias}: ${move.reason}` : null],
      [
        "Made by",
        run ? h("a", { href: `#/training/${run.id}` }, run.id) : "no training run of this service",
      ],
    ]),
    h("details", {}, h("summary", {}, "Its card"), tree(version.card)),
  );
}
