// Batches of pictures to be cut out: send a zip, follow, fetch.
import { api, ENDED, follow, pages } from "./api.js";
import { badge, button, bytes, code, date, empty, facts, h, put, table } from "./dom.js";
import { confirmed, guard } from "./notices.js";

const PAUSE_MS = 1000,
  SHOWN = 200;

/** {element, send(body)}: the batches there are; `send` orders one by a form, `form(name, value)` makes one. */
export function batches(signal, form) {
  const list = h("div");
  const prefix = h("input", { id: "prefix", type: "text", placeholder: "e.g. photos/june" });
  const ofFolder = h(
    "form",
    {
      class: "filters",
      onsubmit: guard(async (event) => {
        event.preventDefault();
        await send(form("prefix", prefix.value.trim()));
        prefix.value = "";
      }),
    },
    h("label", { for: "prefix" }, "Folder of the object store, below incoming/TENANT/ "),
    prefix,
    h("button", {}, "Order a batch"),
  );
  const element = h("section", {}, h("h2", {}, "Batches"), ofFolder, list);
  let waiting = false;

  async function refresh() {
    const { items } = await api("/v1/matte-batches?limit=20", { signal });
    put(list, items.length ? table("Batches", HEADS, items.map(row)) : nothing());
    if (!waiting && items.some((batch) => !ENDED.has(batch.state))) {
      waiting = true;
      setTimeout(() => {
        waiting = false;
        if (!signal.aborted) guard(refresh)();
      }, PAUSE_MS);
    }
  }

  function row(batch) {
    return [
      h("a", { href: `#/mattes/${batch.id}` }, h("code", {}, batch.id)),
      badge(batch.state),
      progress(batch),
      batch.output,
      date(batch.created_at),
      batch.links.result ? download(batch) : "",
    ];
  }

  async function send(body) {
    const made = await api("/v1/matte-batches", { method: "POST", body, signal });
    await refresh();
    return made;
  }

  guard(refresh)();
  return { element, send };
}

const HEADS = ["Batch", "State", "Pictures", "Made", "Ordered", "Results"];

function nothing() {
  return empty(
    "No batches yet",
    h("p", {}, "Choose a zip of pictures above, or send a folder from where it lies:"),
    code("matteforge matte FOLDER -o OUT --batch"),
  );
}

function progress(batch) {
  const { total, made, failed } = batch.counts;
  const words = `${made} made${failed ? `, ${failed} could not be` : ""}${total === null ? "" : ` of ${total}`}`;
  return h(
    "span",
    {},
    h("progress", { max: total ?? 1, value: made + failed, "aria-label": `${batch.id}: made` }),
    ` ${words}`,
  );
}

function download(batch) {
  const name = `${batch.id}.zip`;
  return h(
    "a",
    { class: "button small", href: batch.links.result, download: name },
    `${name}, ${bytes(batch.size_bytes)}`,
  );
}

export async function matteBatchPage({ id, signal }) {
  const path = `/v1/matte-batches/${id}`,
    body = h("div");
  let counted = "";

  async function draw(batch) {
    const step = `${batch.state} ${batch.counts.made} ${batch.counts.failed}`;
    if (step === counted) return;
    counted = step;
    const { items, more } = await pages(`${path}/pictures?limit=100`, SHOWN, { signal });
    put(body, parts(batch, items, more, act));
  }

  const act = async (method, tail = "") => {
    const answer = await api(path + tail, { method });
    if (answer === null) location.hash = "#/mattes";
    else await draw(answer);
  };

  const batch = await api(path, { signal });
  await draw(batch);
  if (!ENDED.has(batch.state))
    follow(`${path}/events`, signal, guard((kind, now) => draw(now)));
  return body;
}

function parts(batch, items, more, act) {
  const ended = ENDED.has(batch.state);
  const ending = ended
    ? sure("Delete", batch.id, "With all its results, for good.", () => act("DELETE"))
    : sure("Cancel", "cancel", "What is made stays.", () => act("POST", "/cancel"));
  return [
    h(
      "div",
      { class: "head" },
      h("h1", {}, h("code", {}, batch.id), " ", badge(batch.state)),
      h("div", { class: "actions" }, batch.links.result ? download(batch) : null,
        batch.cancel_requested && !ended ? null : ending),
    ),
    h("p", { role: "status" }, progress(batch)),
    batch.error ? h("p", { class: "field-error" }, batch.error.detail) : null,
    batch.notice ? h("p", { class: "notice warn" }, batch.notice) : null,
    facts([
      ["Makes", batch.output],
      ["Ordered", date(batch.created_at)],
      ["Ended", date(batch.ended_at)],
      ["Pictures from", batch.prefix ?? "a zip"],
      ["Results", h("code", {}, batch.results)],
    ]),
    items.length
      ? table("Pictures", ["Picture", "State", "Size", "Time", "Result"], items.map(pictureRow))
      : null,
    more ? h("p", { class: "quiet" }, `The first ${SHOWN}; all are in outcomes.csv of the zip.`) : null,
  ];
}

function pictureRow(picture) {
  return [
    picture.name,
    badge(picture.state),
    picture.width ? `${picture.width} × ${picture.height} px` : "",
    picture.seconds === null ? "" : `${picture.seconds} s`,
    picture.error
      ? h("span", { class: "field-error" }, picture.error.detail)
      : picture.url
        ? h("a", { href: picture.url, target: "_blank", rel: "noopener" }, picture.result)
        : "",
  ];
}

function sure(word, expected, text, action) {
  const question = {
    title: `${word} this batch?`,
    text,
    expected,
    confirm: `${word} the batch`,
    danger: true,
  };
  return confirmed(word, question, action, { class: "danger" });
}
