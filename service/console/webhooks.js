// Messages that tell when a dataset ends: their secret, what was sent, and sending it again.
import { api, openapi } from "./api.js";
import { badge, button, code, date, empty, facts, h, put, secretOnce, table } from "./dom.js";
import { schemaForm, sendForm } from "./form.js";
import { ask, guard, tell } from "./notices.js";

const STATES = ["", "pending", "delivered", "failed"];
const HEADS = ["When", "Event", "Dataset", "State", "Last answer", "Message", "Change"];
const PAUSE_MS = 2000;

export async function webhooksPage({ query, signal }) {
  const root = await openapi();
  const dataset = query.get("dataset");
  const made = h("div", { role: "status" }),
    kept = h("p"),
    list = h("div");
  const choice = h(
    "select",
    { id: "delivery-state", onchange: guard(() => refresh()) },
    STATES.map((state) => h("option", { value: state }, state || "all")),
  );
  const older = button("Older", guard(() => refresh(true)), { hidden: true });
  let items = [],
    cursor = null,
    drawn = "",
    timer = 0;

  async function refresh(further = false) {
    clearTimeout(timer);
    const parts = new URLSearchParams({ limit: 20 });
    if (choice.value) parts.set("state", choice.value);
    if (dataset) parts.set("dataset_id", dataset);
    if (further) parts.set("cursor", cursor);
    const page = await api(`/v1/webhooks/deliveries?${parts}`, { signal });
    items = further ? [...items, ...page.items] : page.items;
    cursor = page.next_cursor;
    older.hidden = cursor === null;
    const now = JSON.stringify(items); // what was unfolded stays so while nothing changes
    if (now !== drawn)
      put(list, items.length ? table("Deliveries", HEADS, items.map(row)) : nothing());
    drawn = now;
    const soon = Date.now() + 60000; // what is tried within a minute is waited for
    if (items.some((item) => item.next_at && new Date(item.next_at) < soon) && !further)
      timer = setTimeout(() => {
        if (!signal.aborted) guard(refresh)();
      }, PAUSE_MS);
  }

  function row(delivery) {
    const again = button(
      "Send again",
      guard(async () => {
        await api(`/v1/webhooks/deliveries/${delivery.id}/replay`, { method: "POST" });
        await refresh();
      }),
      { class: "small", "aria-label": `Send again ${delivery.id}` },
    );
    return [
      date(delivery.created_at),
      delivery.event,
      delivery.dataset_id
        ? h("a", { href: `#/datasets/${delivery.dataset_id}` }, h("code", {}, delivery.dataset_id))
        : "",
      badge(delivery.state),
      answerOf(delivery),
      message(delivery),
      delivery.state === "pending" ? "" : again,
    ];
  }

  async function tellSecret() {
    const secret = await api("/v1/webhooks/secret", { signal }).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
    const also = secret?.previous_until;
    put(
      kept,
      secret
        ? ["The secret was made on ", date(secret.created_at), also ? ["; the one before it signs, too, until ", date(also)] : "", ". "]
        : "There is no secret yet, and orders with an address are refused without one. ",
      button(secret ? "Make a new one" : "Make the secret", guard(() => renew(secret)), {
        class: "small",
      }),
    );
  }

  async function renew(present) {
    const sure = !present || (await ask({
      title: "Make a new secret?",
      text: "The present one signs as well for a day, so that receivers can change over.",
      label: "Type renew to confirm",
      expected: "renew",
      confirm: "Make a new secret",
    }));
    if (!sure) return;
    const { secret } = await api("/v1/webhooks/secret", { method: "POST" });
    secretOnce(made, "The secret of your webhooks", secret, "Receivers check signatures with it.");
    await tellSecret();
  }

  const form = schemaForm(root.components.schemas.PingIn, root, { first: ["url"], suggest: {} });
  await Promise.all([tellSecret(), refresh()]);
  return [
    h("h1", {}, "Webhooks"),
    h(
      "p",
      {},
      "A signed POST tells your own program when a dataset ends. An order names the address: ",
      h("a", { href: "#/order" }, "Webhook url"),
      ", under More.",
    ),
    made,
    kept,
    h(
      "section",
      {},
      h("h2", {}, dataset ? `Deliveries of ${dataset}` : "Deliveries"),
      h(
        "p",
        { class: "filters" },
        h("label", { for: "delivery-state" }, "State "),
        choice,
        dataset ? [" ", h("a", { href: "#/webhooks" }, "of all datasets")] : null,
      ),
      list,
      older,
    ),
    h(
      "section",
      {},
      h("h2", {}, "Send a test message"),
      sendForm(form, "Send", async (body) => {
        const { url } = await api("/v1/webhooks/test", { method: "POST", body });
        tell(`A ping is on its way to ${url}: its delivery says what came back.`, "done");
        await refresh();
      }),
    ),
  ];
}

function nothing() {
  return empty(
    "Nothing was sent",
    h("p", {}, "Deliveries of the last month stand here. Try an address by a test message below, or:"),
    code("matteforge order 64 --webhook ADDRESS"),
  );
}

function answerOf({ attempts, next_at: next }) {
  const last = attempts.at(-1);
  const came = last ? (last.status ? `${last.status}` : last.error) : "not sent yet";
  const tries = attempts.length > 1 ? ` (${attempts.length} tries)` : "";
  return h("span", {}, came, tries, next && last ? [", again ", date(next)] : null);
}

function message({ id, url, attempts, body }) {
  return h(
    "details",
    {},
    h("summary", {}, "Look"),
    facts([
      ["To", url],
      ["webhook-id", h("code", {}, id)],
    ]),
    attempts.length
      ? h(
          "ol",
          {},
          attempts.map((one) =>
            h("li", {}, date(one.at), `: ${one.status ?? one.error}, ${one.seconds.toFixed(2)} s`),
          ),
        )
      : null,
    code(body, `The body of ${id}`),
  );
}
