// The table of datasets: what is on its way, and what was delivered.
import { api, ENDED, follow } from "/console/api.js";
import { badge, button, date, empty, h, put, seconds } from "/console/dom.js";
import { ask, guard, tell } from "/console/notices.js";

const STATES = ["", "queued", "running", "finalizing", "completed", "failed", "cancelled"];
const POLL_MS = 5000,
  PAGE = 20,
  STREAMS = 3,
  THUMBNAILS = 3;

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

function datasetRow(first, signal, gone) {
  let dataset = first,
    stop = null,
    drawn = -1;
  const thumbnails = h("a", {
    class: "thumbnails",
    href: `#/datasets/${dataset.id}`,
    tabindex: "-1",
    "aria-hidden": "true",
  });
  const about = h("div", { class: "about" }),
    progress = h("div", { class: "progress" }),
    actions = h("div", { class: "actions" });
  const element = h(
    "li",
    { class: "dataset", "data-id": dataset.id },
    thumbnails,
    about,
    progress,
    actions,
  );

  function update(now) {
    dataset = now;
    const { spec, counts } = now;
    put(
      about,
      h("a", { class: "id", href: `#/datasets/${now.id}` }, now.id),
      " ",
      badge(shownState(now)),
      h(
        "p",
        {},
        `${counts.requested.toLocaleString()} ${spec.source}, ${spec.size ? `${spec.size} px, ` : ""}${spec.model}, seed ${spec.seed}`,
      ),
      h("p", { class: "quiet" }, date(now.timestamps.queued)),
      labels(spec.labels),
    );
    put(progress, progressOf(now));
    put(
      actions,
      actionsOf(now, {
        changed: (made) => {
          update(made);
        },
        gone: () => gone(now.id),
      }),
    );
    if (ENDED.has(now.state)) {
      stop?.();
      stop = null;
    }
    if (counts.accepted !== drawn && drawn < THUMBNAILS) {
      drawn = counts.accepted;
      draw().catch(() => {});
    }
  }

  async function draw() {
    if (dataset.counts.accepted === 0 || thumbnails.children.length >= THUMBNAILS) return;
    const { items } = await api(`/v1/datasets/${dataset.id}/samples?limit=${THUMBNAILS}`, {
      signal,
    });
    put(
      thumbnails,
      items.map((item) =>
        h("img", { src: item.members.image, alt: "", loading: "lazy", width: 64, height: 64 }),
      ),
    );
  }

  function followNow() {
    if (stop || ENDED.has(dataset.state)) return false;
    stop = refreshing(dataset.id, signal, update);
    return true;
  }

  update(first);
  return { element, update, follow: followNow, following: () => stop !== null };
}

/** Follows a dataset's events and hands over what is known after each, at most twice a second. */
export function refreshing(id, signal, update) {
  let timer = null;
  const refresh = async () => {
    timer = null;
    try {
      update(await api(`/v1/datasets/${id}`, { signal }));
    } catch (error) {
      if (error.status === 404) close();
    }
  };
  const close = follow(`/v1/datasets/${id}/events`, signal, () => {
    timer ??= setTimeout(refresh, 500);
  });
  return () => {
    clearTimeout(timer);
    close();
  };
}

export function progressOf({ counts, state, rate, eta_s: eta, error, ...dataset }) {
  const made = Math.max(counts.accepted, counts.in_progress ?? dataset.accepted_so_far ?? 0);
  const share = counts.requested ? Math.floor((100 * made) / counts.requested) : 0;
  const rejected = Object.values(counts.rejected).reduce((sum, number) => sum + number, 0);
  const facts = [
    `${made.toLocaleString()} of ${counts.requested.toLocaleString()} (${share} %)`,
    counts.attempted
      ? `${rejected.toLocaleString()} rejected of ${counts.attempted.toLocaleString()}`
      : null,
    rate ? `${+rate.toPrecision(3)} a second` : null,
    eta !== null && !ENDED.has(state) ? `${seconds(eta)} left` : null,
    state === "queued" && dataset.queue_position != null
      ? `number ${dataset.queue_position} in the queue`
      : null,
    dataset.waits_for ?? dataset.waiting_for ?? null,
  ];
  return [
    h(
      "progress",
      { max: counts.requested, value: made, "aria-label": "accepted samples" },
      `${share} %`,
    ),
    h("p", {}, facts.filter(Boolean).join(" · ")),
    error ? h("p", { class: "field-error" }, `${error.detail} [${error.code}]`) : null,
  ];
}

export function actionsOf(dataset, { changed, gone }) {
  const same = h("a", { class: "button small", href: `#/order?like=${dataset.id}` }, "Same again");
  const cancel = button(
    "Cancel",
    guard(async () => {
      const sure = await ask({
        title: "Cancel this dataset?",
        text: "No further shards are made; what is committed stays. This can't be taken back.",
        label: "Type cancel to confirm",
        expected: "cancel",
        confirm: "Cancel the dataset",
        danger: true,
      });
      if (sure) changed(await api(`/v1/datasets/${dataset.id}/cancel`, { method: "POST" }));
    }),
    { class: "small" },
  );
  const remove = button(
    "Delete",
    guard(async () => {
      const sure = await ask({
        title: "Delete this dataset?",
        text: `Its ${dataset.counts.accepted.toLocaleString()} samples are removed for good.`,
        label: `Type ${dataset.id} to confirm`,
        expected: dataset.id,
        confirm: "Delete for good",
        danger: true,
      });
      if (!sure) return;
      await api(`/v1/datasets/${dataset.id}`, { method: "DELETE" });
      tell(`${dataset.id} was deleted.`, "done");
      gone();
    }),
    { class: "small danger" },
  );
  return [
    same,
    ENDED.has(dataset.state) || dataset.cancel_requested ? null : cancel,
    remove,
  ].filter(Boolean);
}

export function shownState({ state, cancel_requested: cancelled }) {
  return cancelled && !ENDED.has(state) ? "cancelling" : state;
}

export function labels(given) {
  const pairs = Object.entries(given ?? {});
  return pairs.length
    ? h(
        "ul",
        { class: "labels" },
        pairs.map(([name, value]) => h("li", {}, `${name}: ${value}`)),
      )
    : null;
}
