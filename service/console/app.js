// Which page is shown: sign-in, or what the address says after #/.
import { api } from "./api.js";
import { button, h, put } from "./dom.js";
import { clearNotices, guard, tell } from "./notices.js";
import { signInPage } from "./signin.js";
import { datasetsPage } from "./datasets.js";
import { datasetPage } from "./dataset.js";
import { orderPage } from "./order.js";
import { modelsPage, modelPage } from "./models.js";
import { trainingPage, trainingRunPage, newRunPage } from "./training.js";
import { corporaPage, schedulesPage } from "./corpora.js";
import { mattesPage } from "./mattes.js";
import { matteBatchPage } from "./batches.js";
import { keysPage } from "./keys.js";
import { webhooksPage } from "./webhooks.js";

const ROUTES = [
  [/^datasets$/, datasetsPage, "Datasets"],
  [/^datasets\/([\w]+)$/, datasetPage, "Dataset"],
  [/^order$/, orderPage, "Order"],
  [/^models$/, modelsPage, "Models"],
  [/^models\/([\w-]+)$/, modelPage, "Model"],
  [/^training$/, trainingPage, "Training"],
  [/^training\/new$/, newRunPage, "New training run"],
  [/^training\/([\w]+)$/, trainingRunPage, "Training run"],
  [/^corpora$/, corporaPage, "Corpora"],
  [/^schedules$/, schedulesPage, "Schedules"],
  [/^mattes$/, mattesPage, "Cut out"],
  [/^mattes\/([\w]+)$/, matteBatchPage, "Batch"],
  [/^webhooks$/, webhooksPage, "Webhooks"],
  [/^keys$/, keysPage, "Keys"],
];
const MENU = [
  ["order", "Order"],
  ["datasets", "Datasets"],
  ["models", "Models"],
  ["training", "Training"],
  ["corpora", "Corpora"],
  ["schedules", "Schedules"],
  ["mattes", "Cut out"],
  ["webhooks", "Webhooks"],
];

let leaving = new AbortController();
const content = document.getElementById("content");
const top = document.getElementById("top");

function frame(session) {
  top.hidden = session === null;
  if (session === null) return;
  const current = location.hash.slice(2).split(/[/?]/)[0] || "datasets";
  put(
    document.getElementById("menu"),
    ...MENU.concat(session.admin ? [["keys", "Keys"]] : []).map(([path, text]) =>
      h(
        "li",
        {},
        h("a", { href: `#/${path}`, "aria-current": path === current ? "page" : null }, text),
      ),
    ),
  );
  put(
    document.getElementById("account"),
    h("a", { href: "/docs", target: "_blank", rel: "noopener" }, "Reference"),
    session.admin
      ? h("a", { href: "/metrics", target: "_blank", rel: "noopener" }, "Metrics")
      : null,
    session.flower
      ? h("a", { href: session.flower, target: "_blank", rel: "noopener" }, "Flower")
      : null,
    button(
      "Sign out",
      guard(async () => {
        await api("/session", { method: "DELETE" });
        await show();
      }),
      { class: "small", title: `signed in with the key ${session.owner}…` },
    ),
  );
}

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const session = await api("/session");
  const who = session.owner ? session : null;
  frame(who);
  if (who === null) {
    document.title = "Sign in · MatteForge";
    put(
      content,
      signInPage(() => {
        clearNotices();
        return show();
      }),
    );
    return;
  }
  const [path, query] = (location.hash.replace(/^#\/?/, "") || "datasets").split("?");
  const found = ROUTES.find(([pattern]) => pattern.test(path));
  if (!found) {
    put(
      content,
      h("h1", {}, "There is no such page"),
      h("p", {}, h("a", { href: "#/datasets" }, "Datasets")),
    );
    return;
  }
  const [pattern, page, title] = found;
  document.title = `${title} · MatteForge`;
  content.setAttribute("aria-busy", "true");
  try {
    const made = await page({
      id: pattern.exec(path)[1],
      query: new URLSearchParams(query ?? ""),
      signal,
    });
    if (!signal.aborted) put(content, made);
  } catch (error) {
    if (signal.aborted || error.status === 401) return;
    tell(error.message);
    put(
      content,
      h("h1", {}, title),
      h("p", {}, "This page could not be loaded. "),
      button("Try again", guard(show)),
    );
  } finally {
    content.removeAttribute("aria-busy");
  }
}

window.addEventListener(
  "hashchange",
  guard(async () => {
    await show();
    window.scrollTo(0, 0);
    content.focus();
  }),
);
window.addEventListener("signed-out", guard(show));
guard(show)();
