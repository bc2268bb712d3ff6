// Keys, for admins: who may do what, until when, and how much.
import { api, openapi } from "./api.js";
import { date, facts, h, put, secretOnce, table } from "./dom.js";
import { schemaForm, sendForm } from "./form.js";
import { confirmed, tell } from "./notices.js";

export async function keysPage({ signal }) {
  const root = await openapi();
  const list = h("div"),
    made = h("div", { role: "status" });

  async function refresh() {
    const { items } = await api("/v1/keys", { signal });
    put(list, table("Keys", HEADS, items.map(row)));
  }

  function row(key) {
    return [
      key.name,
      h("code", {}, key.id),
      key.tenant,
      key.scopes.join(", "),
      key.expires_at ? date(key.expires_at) : "never",
      limits(key.limits),
      date(key.created_at),
      h("span", { class: "actions" }, rotate(key), revoke(key)),
    ];
  }

  const rotate = (key) =>
    confirmed(
      "Rotate",
      {
        title: `Rotate ${key.name}?`,
        text: "It gets a new secret, which is shown once. The old one counts no more, at once.",
        expected: "rotate",
        confirm: "Rotate the key",
      },
      async () => {
        show(await api(`/v1/keys/${key.id}/rotate`, { method: "POST" }));
        await refresh();
      },
      { class: "small", "aria-label": `Rotate ${key.name}` },
    );

  const revoke = (key) =>
    confirmed(
      "Revoke",
      {
        title: `Revoke ${key.name}?`,
        text: "Whoever uses it is refused within a second. What it ordered stays.",
        expected: key.id,
        confirm: "Revoke the key",
        danger: true,
      },
      async () => {
        await api(`/v1/keys/${key.id}`, { method: "DELETE" });
        tell(`${key.name} was revoked.`, "done");
        await refresh();
      },
      { class: "small danger", "aria-label": `Revoke ${key.name}` },
    );

  const show = (key) =>
    secretOnce(made, `The secret of ${key.name}`, key.key, [
      "Only its hash is kept.",
      facts([
        ["Tenant", key.tenant],
        ["Scopes", key.scopes.join(", ")],
      ]),
    ]);

  const schema = root.components.schemas.KeyIn;
  const form = schemaForm(schema, root, {
    first: ["name", "tenant", "scopes", "expires_at"],
    suggest: { limits: Object.fromEntries(limitNames(root).map((name) => [name, "default"])) },
  });
  await refresh();
  return [
    h("h1", {}, "Keys"),
    made,
    list,
    h(
      "section",
      {},
      h("h2", {}, "Make a key"),
      sendForm(form, "Make", async (body) => {
        show(await api("/v1/keys", { method: "POST", body }));
        form.write({});
        await refresh();
      }),
    ),
  ];
}

const HEADS = ["Name", "Id", "Tenant", "Scopes", "Expires", "Limits", "Made", "Change"];

function limitNames(root) {
  return Object.keys(root.components.schemas.Limits?.properties ?? {});
}

function limits(given) {
  return (
    Object.entries(given ?? {})
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name.replaceAll("_", " ")} ${value.toLocaleString()}`)
      .join(", ") || "none"
  );
}
