// Where a dataset comes from: the order, the bundle, the run that made it, the manifest.
import { api, raw, stringify } from "./api.js";
import { code, date, facts, h, short, tree, unfolding } from "./dom.js";
import { guard } from "./notices.js";

export function drawOrigin(body, dataset, signal) {
  if (body.children.length) return;
  const manifest = unfolding("Manifest (written at the end)", guard(async () => {
    const answer = await raw(`/v1/datasets/${dataset.id}/manifest`, { signal });
    return code((await answer.text()).slice(0, 20000), "manifest.json");
  }));
  const model = dataset.spec.model.split("@")[0];
  const origin = dataset.spec.derived_from;
  const lineage = h("div");
  body.append(
    facts([
      ["Bundle", short(dataset.bundle)],
      ["Expires", date(dataset.expires_at)],
      ["Model", h("a", { href: `#/models/${model}` }, dataset.spec.model)],
      [
        "Made from",
        origin ? h("a", { href: `#/datasets/${origin.dataset_id}` }, origin.dataset_id, ` (${origin.how})`) : null,
      ],
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
