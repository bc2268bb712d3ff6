// What the networks learn from, and when they learn again.
import { api, openapi } from "./api.js";
import { code, date, empty, h, short, table } from "./dom.js";
import { schemaForm, sendForm } from "./form.js";
import { confirmed, tell } from "./notices.js";

export async function corporaPage({ signal }) {
  const { items } = await api("/v1/corpora", { signal });
  const head = h("h1", {}, "Corpora");
  if (!items.length)
    return [
      head,
      empty(
        "No corpora yet",
        h(
          "p",
          {},
          "A corpus is a folder or an archive of pictures, with or without their alpha. It is added beside the data:",
        ),
        code("matteforge corpora add portraits FOLDER --licence CC0-1.0"),
      ),
    ];
  return [
    head,
    table(
      "Corpora",
      ["Name", "Kind", "Samples", "Left out", "Licence", "Changed", "Digest"],
      items.map((corpus) => [
        corpus.name,
        corpus.kind,
        pairs(corpus.samples),
        pairs(corpus.rejected) || "nothing",
        corpus.licence,
        date(corpus.updated_at),
        short(corpus.digest),
      ]),
    ),
  ];
}

function pairs(counts) {
  return Object.entries(counts)
    .filter(([, number]) => number)
    .map(([name, number]) => `${name} ${number.toLocaleString()}`)
    .join(", ");
}

export async function schedulesPage({ signal }) {
  const [root, { items }] = await Promise.all([
    openapi(),
    api("/v1/training-schedules", { signal }),
  ]);
  const reload = () => window.dispatchEvent(new HashChangeEvent("hashchange"));
  const remove = (domain) =>
    confirmed(
      "Delete",
      {
        title: `Delete the schedule of ${domain}?`,
        text: "A run that is under way goes on.",
        expected: domain,
        confirm: "Delete",
        danger: true,
      },
      async () => {
        await api(`/v1/training-schedules/${domain}`, { method: "DELETE" });
        tell(`${domain} has no schedule any more.`, "done");
        reload();
      },
      { class: "small danger" },
    );
  const list = items.length
    ? table(
        "Schedules",
        ["Model", "Every", "New samples", "Next", "Waits for", "Last run", "Change"],
        items.map((schedule) => [
          schedule.domain,
          `${+(schedule.every_s / 3600).toPrecision(3)} h`,
          `${schedule.new_samples} of ${schedule.min_new_samples}`,
          date(schedule.due_at),
          schedule.waits_for ?? "starts within a minute",
          schedule.last_run
            ? h("a", { href: `#/training/${schedule.last_run}` }, short(schedule.last_run))
            : "none",
          remove(schedule.domain),
        ]),
      )
    : empty(
        "No schedules yet",
        h(
          "p",
          {},
          "A schedule trains a model again by itself: every so often, once enough new samples are there.",
        ),
      );
  const schema = root.components.schemas.ScheduleSpec;
  const form = schemaForm(schema, root, {
    first: ["every_s", "min_new_samples", "run"],
    suggest: {},
  });
  return [
    h("h1", {}, "Schedules"),
    list,
    h(
      "section",
      {},
      h("h2", {}, "Set a schedule"),
      sendForm(form, "Set", async (body) => {
        const domain = encodeURIComponent(body.run?.domain ?? "");
        await api(`/v1/training-schedules/${domain}`, { method: "PUT", body });
        reload();
      }),
    ),
  ];
}
