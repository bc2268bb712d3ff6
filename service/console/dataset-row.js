// One dataset in the table, and what its page shares with it: progress, actions, labels.
import { api, ENDED, follow } from "./api.js";
import { badge, button, date, h, put, seconds } from "./dom.js";
import { confirmed, tell } from "./notices.js";

const THUMBNAILS = 3;

export function datasetRow(first, signal, gone) {
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

/** How far a dataset is: with what workers tell of the shards that they are making now. */
export function progressOf({ counts, state, rate, eta_s: eta, error, in_work: now, waiting }) {
  const under = ENDED.has(state) ? {} : (now ?? {});
  const made = counts.accepted + (under.accepted ?? 0);
  const tried = counts.attempted + (under.attempted ?? 0);
  const share = counts.requested ? Math.floor((100 * made) / counts.requested) : 0;
  const rejected = total(counts.rejected) + total(under.rejected ?? {});
  const facts = [
    `${made.toLocaleString()} of ${counts.requested.toLocaleString()} (${share} %)`,
    tried ? `${rejected.toLocaleString()} rejected of ${tried.toLocaleString()}` : null,
    rate ? `${+rate.toPrecision(3)} a second` : null,
    eta !== null && !ENDED.has(state) ? `${seconds(eta)} left` : null,
    waiting ? `waits: ${waiting.reason}` : null,
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

function total(counts) {
  return Object.values(counts).reduce((sum, number) => sum + number, 0);
}

export function actionsOf(dataset, { changed, gone }) {
  const same = h("a", { class: "button small", href: `#/order?like=${dataset.id}` }, "Same again");
  const path = `/v1/datasets/${dataset.id}`;
  const stop = {
    title: "Cancel this dataset?",
    text: "No further shards are made; what is committed stays. This can't be taken back.",
    expected: "cancel",
    confirm: "Cancel the dataset",
    danger: true,
  };
  const cancel = confirmed(
    "Cancel",
    stop,
    async () => changed(await api(`${path}/cancel`, { method: "POST" })),
    { class: "small" },
  );
  const forGood = {
    title: "Delete this dataset?",
    text: `Its ${dataset.counts.accepted.toLocaleString()} samples are removed for good.`,
    expected: dataset.id,
    confirm: "Delete for good",
    danger: true,
  };
  const remove = confirmed(
    "Delete",
    forGood,
    async () => {
      await api(path, { method: "DELETE" });
      tell(`${dataset.id} was deleted.`, "done");
      gone();
    },
    { class: "small danger" },
  );
  return [
    dataset.spec.derived_from ? null : same,
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
