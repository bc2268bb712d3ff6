// Models: which version is the champion, what is known of each, and moving it.
import { api } from "./api.js";
import { button, code, date, empty, facts, h, short, table, tree } from "./dom.js";
import { ask, guard, tell } from "./notices.js";

export async function modelsPage({ signal }) {
  const { items } = await api("/v1/models", { signal });
  if (!items.length)
    return [
      h("h1", {}, "Models"),
      empty(
        "No models yet",
        h("p", {}, "A bundle of StyleMatteGAN and StyleMatte is published by command:"),
        code("matteforge models publish"),
      ),
    ];
  return [
    h("h1", {}, "Models"),
    h(
      "ul",
      { class: "cards" },
      items.map((model) =>
        h(
          "li",
          { class: "card" },
          h("h2", {}, h("a", { href: `#/models/${model.name}` }, model.name)),
          facts([
            ["Champion", short(model.aliases.champion)],
            ["Size", model.resolution ? `${model.resolution} px` : null],
            ["Aliases", Object.keys(model.aliases).join(", ")],
          ]),
        ),
      ),
    ),
  ];
}

export async function modelPage({ id: name, signal }) {
  const [model, history] = await Promise.all([
    api(`/v1/models/${name}`, { signal }),
    api(`/v1/models/${name}/history`, { signal }),
  ]);
  const digests = [...new Set(history.items.map((move) => move.digest))];
  const champion = model.aliases.champion;
  const pictures = h("div", { class: "grid small" });
  newest(pictures, champion, signal).catch(() => {});
  return [
    h(
      "div",
      { class: "head" },
      h("h1", {}, name),
      history.items.some((move) => move.alias === "champion" && move.digest !== champion)
        ? button(
            "Roll back",
            guard(() => rollback(name, champion)),
          )
        : null,
    ),
    facts([
      ["Champion", short(champion)],
      ["Size", model.resolution ? `${model.resolution} px` : null],
    ]),
    pictures,
    h(
      "section",
      {},
      h("h2", {}, "Versions"),
      h(
        "ul",
        { class: "cards" },
        await Promise.all(digests.map((digest) => versionCard(name, digest, model, signal))),
      ),
    ),
    h(
      "section",
      {},
      h("h2", {}, "Moves"),
      table(
        "Moves",
        ["When", "Alias", "Version", "Why", "By"],
        history.items.map((move) => [
          date(move.at),
          move.alias,
          short(move.digest),
          move.reason,
          move.actor.startsWith("tr_")
            ? h("a", { href: `#/training/${move.actor}` }, move.actor)
            : move.actor && h("code", { title: move.actor }, move.actor.slice(0, 16)),
        ]),
      ),
    ),
  ];
}

async function versionCard(name, digest, model, signal) {
  const version = await api(`/v1/models/${name}/versions/${digest}`, { signal });
  const aliases = Object.entries(model.aliases)
    .filter(([, value]) => value === digest)
    .map(([alias]) => alias);
  const promote = button(
    "Promote",
    guard(async () => {
      const reason = await ask({
        title: "Make this version the champion?",
        text: `New orders of ${name} use ${digest.slice(0, 19)}…; datasets under way keep theirs.`,
        label: "Why?",
        confirm: "Promote",
      });
      if (!reason) return;
      await api(`/v1/models/${name}/promote`, {
        method: "POST",
        body: { version: digest, reason },
      });
      again(`${name} has a new champion.`);
    }),
    { class: "small" },
  );
  return h(
    "li",
    { class: "card" },
    h(
      "h3",
      {},
      short(digest),
      aliases.map((alias) => h("span", { class: `badge ${alias}` }, alias)),
    ),
    facts([
      ["Size", `${version.resolution} px`],
      ["Files", Object.keys(version.files).join(", ")],
    ]),
    h("details", {}, h("summary", {}, "Thresholds"), tree(version.thresholds)),
    h("details", {}, h("summary", {}, "Card"), tree(version.card)),
    aliases.includes("champion") ? null : h("p", { class: "actions" }, promote),
  );
}

async function rollback(name, present) {
  const reason = await ask({
    title: `Roll ${name} back?`,
    text: "The champion before the present one returns.",
    label: "Why?",
    confirm: "Roll back",
  });
  if (!reason) return;
  await api(`/v1/models/${name}/rollback`, { method: "POST", body: { reason, present } });
  again(`${name} was rolled back.`);
}

function again(text) {
  tell(text, "done");
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

/** The newest pictures that a version has made here. */
async function newest(body, digest, signal) {
  const { items } = await api("/v1/datasets?limit=50", { signal });
  const dataset = items.find(
    (item) => item.bundle === digest && item.spec.source === "generated" && item.counts.accepted,
  );
  if (!dataset) return;
  const { items: samples } = await api(`/v1/datasets/${dataset.id}/samples?limit=8`, { signal });
  body.append(
    ...samples.map((sample) =>
      h("img", { src: sample.members.image, alt: `sample ${sample.key}`, width: 96, height: 96 }),
    ),
    h(
      "p",
      { class: "quiet" },
      "The champion's newest: ",
      h("a", { href: `#/datasets/${dataset.id}` }, dataset.id),
    ),
  );
}
