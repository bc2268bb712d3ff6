// The table of datasets: what is on its way, and what was delivered.
import { api } from "./api.js";
import { datasetRow } from "./dataset-row.js";
import { button, empty, h } from "./dom.js";
import { guard } from "./notices.js";

const STATES = ["", "queued", "running", "finalizing", "completed", "failed", "cancelled"];
const POLL_MS = 5000,
  PAGE = 20,
  STREAMS = 3;

export async function datasetsPage({ query, signal }) {
  const wanted = query.get("state") ?? "";
  const rows = new Map(); // id -> {element, update, close}
  const list = h("ul", { class: "datasets" });
  const older = button(
    "Older",
    guard(() => load(true)),
    { hidden: true },
  );
  const choice = h(
    "select",
    {
      id: "state",
      onchange: () => {
        location.hash = `#/datasets${choice.value ? `?state=${choice.value}` : ""}`;
      },
    },
    STATES.map((state) =>
      h("option", { value: state, selected: state === wanted }, state || "all"),
    ),
  );
  let cursor = null,
    nothing = null;

  async function load(more) {
    const page = await api(
      `/v1/datasets?limit=${PAGE}${wanted ? `&state=${wanted}` : ""}${more && cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
      { signal },
    );
    if (more || cursor === null) cursor = page.next_cursor;
    older.hidden = cursor === null;
    const fresh = [];
    for (const dataset of page.items) {
      const row = rows.get(dataset.id);
      if (row) row.update(dataset);
      else {
        rows.set(
          dataset.id,
          datasetRow(dataset, signal, (id) => {
            rows.get(id)?.element.remove();
            rows.delete(id);
            welcome();
          }),
        );
        fresh.push(rows.get(dataset.id).element);
      }
    }
    if (more) list.append(...fresh);
    else list.prepend(...fresh);
    streams();
    welcome();
  }

  function welcome() {
    nothing?.remove();
    nothing = rows.size
      ? null
      : wanted
        ? empty(`No dataset is ${wanted}`)
        : empty(
            "No datasets yet",
            h(
              "p",
              {},
              "A dataset is what you order: some number of portraits, each with its alpha, as WebDataset shards.",
            ),
            h(
              "p",
              {},
              h("a", { class: "button primary", href: "#/order" }, "Order 64 portraits"),
              " to see what comes out: it takes a minute or two.",
            ),
          );
    if (nothing) list.after(nothing);
  }

  function streams() {
    let open = [...rows.values()].filter((row) => row.following()).length;
    for (const row of rows.values()) if (open < STREAMS && row.follow()) open += 1;
  }

  await load(true);
  const timer = setInterval(() => {
    if (!document.hidden) load(false).catch(() => {});
  }, POLL_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  return [
    h(
      "div",
      { class: "head" },
      h("h1", {}, "Datasets"),
      h("a", { class: "button primary", href: "#/order" }, "Order"),
    ),
    h("p", { class: "filters" }, h("label", { for: "state" }, "State "), choice),
    list,
    older,
  ];
}
