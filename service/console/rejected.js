// Examples of what the filter rejected, by reason.
import { api, ENDED } from "./api.js";
import { bars } from "./charts.js";
import { format, h, put, redraw } from "./dom.js";

const SHOWN = 200;

export async function drawRejected(body, dataset, signal) {
  const path = `/v1/datasets/${dataset.id}/rejected?limit=${SHOWN}`;
  const { items, rejected } = await api(path, { signal });
  const reasons = Object.entries(rejected).sort(([, a], [, b]) => b - a);
  if (!reasons.length) {
    put(body, h("p", { class: "quiet" }, `Nothing was rejected${ENDED.has(dataset.state) ? "" : " so far"}.`));
    return;
  }
  redraw(
    body,
    bars("By the first criterion that failed", Object.fromEntries(reasons)),
    reasons.map(([reason, count]) => {
      const examples = items.filter((item) => item.reason === reason);
      return h(
        "details",
        {},
        h("summary", {}, `${reason}: ${count.toLocaleString()}, ${examples.length} of them here`),
        examples.length
          ? h("ul", { class: "rejects" }, examples.map(example))
          : h("p", { class: "quiet" }, "No example was kept of this one."),
      );
    }),
  );
}

function example(item) {
  const name = item.reason.replace(/_(min|max)$/, "");
  const score = item.scores[item.reason] ?? item.scores[name];
  const bound = { _min: "at least", _max: "at most" }[item.reason.slice(-4)] ?? "threshold";
  const words = [
    score === undefined ? name : `${name} ${format(score)}`,
    item.threshold === null ? null : `${bound} ${format(item.threshold)}`,
  ].filter(Boolean);
  return h(
    "li",
    {},
    h(
      "figure",
      {},
      h("img", {
        src: item.picture,
        alt: `rejected candidate ${item.name}: image and alpha`,
        loading: "lazy",
      }),
      h("figcaption", {}, words.join(", "), h("br"), h("span", { class: "quiet" }, `seed ${item.seed}`)),
    ),
  );
}
