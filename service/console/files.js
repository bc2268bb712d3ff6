// The files of a dataset: shards, what lies beside them, and code that reads them.
import { api, ENDED, pages } from "./api.js";
import { ADDRESS } from "./base.js";
import { button, bytes, code, h, put, short, table } from "./dom.js";
import { guard } from "./notices.js";

const SHARDS = 200;

export async function drawFiles(body, dataset, signal) {
  const { items, more } = await pages(`/v1/datasets/${dataset.id}/shards?limit=100`, SHARDS, {
    signal,
  });
  const base = `/v1/datasets/${dataset.id}`;
  const shards = table(
    "Shards",
    ["Shard", "Samples", "Size", "sha256"],
    items.map((shard) => [
      h("a", { href: `${base}/shards/${shard.name}`, download: shard.name }, shard.name),
      shard.samples,
      bytes(shard.size_bytes),
      short(shard.sha256),
    ]),
  );
  const total = items.reduce((sum, shard) => sum + shard.size_bytes, 0);
  const all = button(
    `Download all ${items.length} (${bytes(total)})`,
    guard(() => downloadAll(items, base)),
    { disabled: more },
  );
  const { items: beside } = await api(`${base}/files`, { signal });
  put(
    body,
    items.length
      ? h(
          "p",
          { class: "actions" },
          all,
          ENDED.has(dataset.state)
            ? h(
                "a",
                {
                  class: "button",
                  href: `${base}/manifest`,
                  download: `${dataset.id}-manifest.json`,
                },
                "manifest.json",
              )
            : null,
          beside.map(({ name, url, size_bytes: size }) =>
            h("a", { class: "button", href: url, download: name, title: bytes(size) }, name),
          ),
        )
      : h("p", {}, "The first shard is not committed yet."),
    items.length ? shards : null,
    more ? h("p", {}, `The first ${SHARDS} shards; the command below fetches all.`) : null,
    h("h3", {}, "By command"),
    code(`matteforge download ${dataset.id} --url ${ADDRESS}`, "Download by command"),
    h("h3", {}, "Read it in Python"),
    code(reader(dataset), "Read it in Python"),
  );
}

async function downloadAll(items, base) {
  for (const shard of items) {
    const link = h("a", { href: `${base}/shards/${shard.name}`, download: shard.name });
    document.body.append(link);
    link.click();
    link.remove();
    await new Promise((wait) => {
      setTimeout(wait, 400);
    });
  }
}

function reader(dataset) {
  return `import os

import webdataset as wds
from matteforge import MatteForge
from matteforge.webdataset import decode

with MatteForge("${ADDRESS}", os.environ["MATTEFORGE_API_KEY"]) as client:
    urls = [shard.url for shard in client.shards("${dataset.id}")]
for sample in wds.WebDataset(urls, shardshuffle=False).map(decode):
    image, alpha, facts = sample["image"], sample["alpha"], sample["json"]
print(image.shape, alpha.mean(), facts["scores"])`;
}
