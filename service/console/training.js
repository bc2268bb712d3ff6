// Training runs: how far each stage is, its pictures, its log, the gate's decision.
import { api, ENDED, follow, openapi } from "./api.js";
import {
  badge,
  button,
  code,
  date,
  empty,
  facts,
  h,
  put,
  redraw,
  seconds,
  short,
  table,
  tree,
} from "./dom.js";
import { curve } from "./charts.js";
import { schemaForm, sendForm } from "./form.js";
import { confirmed, guard } from "./notices.js";

const LOSSES_MS = 15000;

export async function trainingPage({ signal }) {
  const { items } = await api("/v1/training-runs?limit=50", { signal });
  const head = h(
    "div",
    { class: "head" },
    h("h1", {}, "Training"),
    h("a", { class: "button primary", href: "#/training/new" }, "New run"),
  );
  if (!items.length)
    return [
      head,
      empty(
        "No training runs yet",
        h(
          "p",
          {},
          "A run is one turn of the cycle: both networks learn from your corpora, and are promoted if the gate finds them better.",
        ),
        h("p", {}, "Add a corpus first, beside the data:"),
        code("matteforge corpora add portraits FOLDER --licence CC0-1.0"),
      ),
    ];
  return [
    head,
    table(
      "Training runs",
      ["Run", "Model", "State", "Ordered", "Stage", "Outcome"],
      items.map((run) => [
        h("a", { href: `#/training/${run.id}` }, h("code", {}, run.id)),
        run.spec.domain,
        badge(run.state),
        date(run.created_at),
        run.stages.find((stage) => stage.state === "running")?.stage ?? "",
        run.error ? run.error.code : run.promoted ? "promoted" : run.decision ? "not promoted" : "",
      ]),
    ),
  ];
}

export async function trainingRunPage({ id, signal }) {
  const body = h("div"),
    losses = h("div"),
    first = await api(`/v1/training-runs/${id}`, { signal });
  let drawnAt = -Infinity;
  const drawLosses = guard(async (ended) => {
    if (!ended && Date.now() - drawnAt < LOSSES_MS) return;
    drawnAt = Date.now();
    put(losses, curves((await api(`/v1/training-runs/${id}/curves`, { signal })).items));
  });
  const draw = (run) => {
    redraw(body, parts(run, losses, draw));
    const log = body.querySelector(".log");
    requestAnimationFrame(() => {
      log.scrollTop = log.scrollHeight;
    });
    drawLosses(ENDED.has(run.state));
  };
  draw(first);
  if (!ENDED.has(first.state)) {
    let timer = null;
    follow(`/v1/training-runs/${id}/events`, signal, () => {
      timer ??= setTimeout(
        guard(async () => {
          timer = null;
          draw(await api(`/v1/training-runs/${id}`, { signal }));
        }),
        1000,
      );
    });
  }
  return body;
}

function parts(run, losses, draw) {
  const question = {
    title: "Cancel this run?",
    text: "It ends within seconds; nothing is promoted.",
    expected: "cancel",
    confirm: "Cancel the run",
    danger: true,
  };
  const cancel = confirmed("Cancel", question, async () => {
    draw(await api(`/v1/training-runs/${run.id}/cancel`, { method: "POST" }));
  });
  return [
    h(
      "div",
      { class: "head" },
      h("h1", {}, h("code", {}, run.id), " ", badge(run.state)),
      ENDED.has(run.state) || run.cancel_requested ? null : cancel,
    ),
    run.error ? h("p", { class: "field-error" }, `${run.error.detail} [${run.error.code}]`) : null,
    facts([
      ["Model", h("a", { href: `#/models/${run.spec.domain}` }, run.spec.domain)],
      ["Preset", run.spec.preset],
      ["Ordered", date(run.created_at)],
      ["Ended", date(run.ended_at)],
      ["To be beaten", run.champion ? short(run.champion) : "nothing: a new model"],
      ["Came out", run.candidate ? short(run.candidate) : null],
    ]),
    run.decision
      ? h(
          "section",
          {},
          h("h2", {}, run.promoted ? "Promoted" : "Not promoted"),
          tree(run.decision),
        )
      : null,
    h("section", {}, h("h2", {}, "Stages"), h("ol", { class: "stages" }, run.stages.map(stageOf))),
    h("section", {}, h("h2", {}, "Losses"), losses),
    h(
      "section",
      {},
      h("h2", {}, "Log"),
      h(
        "pre",
        { class: "log", tabindex: "0", role: "region", "aria-label": "Newest lines of the log" },
        run.log.join("\n") || "no lines yet",
      ),
    ),
    h("details", {}, h("summary", {}, "The order"), tree(run.spec)),
    h("details", {}, h("summary", {}, "Corpora, pinned"), tree(run.corpora)),
  ];
}

function stageOf(stage) {
  return h(
    "li",
    {},
    h("h3", {}, stage.stage, " ", badge(stage.state)),
    h("progress", { max: 1, value: stage.fraction, "aria-label": `${stage.stage}: share done` }),
    h(
      "p",
      { class: "quiet" },
      [
        stage.seconds !== null ? `${seconds(stage.seconds)} of work` : null,
        stage.eta_s !== null ? `${seconds(stage.eta_s)} left` : null,
      ]
        .filter(Boolean)
        .join(" · "),
    ),
    Object.keys(stage.figures).length
      ? h("details", {}, h("summary", {}, `Figures of ${stage.stage}`), tree(stage.figures))
      : null,
    stage.grids.length
      ? h(
          "div",
          { class: "grids" },
          stage.grids.map((grid) =>
            h(
              "figure",
              {},
              h("img", { src: grid.url, alt: `grid ${grid.name}`, loading: "lazy" }),
              h("figcaption", {}, grid.name),
            ),
          ),
        )
      : null,
  );
}

/** A curve for each scalar of each log that a stage wrote. */
function curves(logs) {
  if (!logs.length) return h("p", { class: "quiet" }, "They appear a minute after a stage begins to train.");
  return logs.map(({ stage, log, whole, curves: found }) =>
    h(
      "div",
      {},
      h("h3", {}, log === "scalars" ? stage : `${stage}: ${log}`, whole ? "" : ", its newest part"),
      h(
        "div",
        { class: "charts" },
        found.map(({ name, steps, values }) =>
          curve(name, steps.map((step, i) => [step, values[i]])),
        ),
      ),
    ),
  );
}

export async function newRunPage({ signal }) {
  const root = await openapi();
  const { items: corpora } = await api("/v1/corpora", { signal });
  const names = corpora.map((corpus) => corpus.name);
  const schema = root.components.schemas.TrainingSpec;
  const form = schemaForm(schema, root, {
    first: ["domain", "preset", "labelled", "unlabelled", "backgrounds"],
    suggest: { labelled: names, unlabelled: names, backgrounds: names },
  });
  const key = crypto.randomUUID?.() ?? String(Math.random());
  return [
    h("h1", {}, "New training run"),
    names.length
      ? null
      : empty(
          "There is no corpus yet",
          h("p", {}, "A run learns from corpora. Add one beside the data:"),
          code("matteforge corpora add portraits FOLDER --licence CC0-1.0"),
        ),
    sendForm(form, "Start", async (body) => {
      const headers = { "Idempotency-Key": key };
      const run = await api("/v1/training-runs", { method: "POST", body, headers });
      location.hash = `#/training/${run.id}`;
    }),
  ];
}
