// Build the console: the files that the server sends, in local/facedex_local/console.
// They are committed, so that users need no Node; .ci/checks builds them again and compares.

import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const output = process.argv[2] ?? "../local/facedex_local/console";

const isBuilt = (name) => /\.(js|css|html|svg|txt)$/.test(name);
for (const name of await readdir(output).catch(() => [])) {
  if (isBuilt(name)) await rm(join(output, name));
}

const { metafile } = await build({
  entryPoints: ["src/main.tsx", "src/style.css"],
  outdir: output,
  bundle: true,
  splitting: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  // A name changes with its content, so browsers may keep the files for ever.
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});

const nameOf = (entry) => {
  const found = Object.entries(metafile.outputs).find(([, made]) => made.entryPoint === entry);
  return found[0].split("/").at(-1);
};
const page = await readFile("src/index.html", "utf8");
await writeFile(
  join(output, "index.html"),
  page.replace("main.js", nameOf("src/main.tsx")).replace("style.css", nameOf("src/style.css")),
);
await writeFile(join(output, "icon.svg"), await readFile("src/icon.svg"));
await writeFile(join(output, "licences.txt"), await licences(Object.keys(metafile.inputs)));

/** Return the licences of the packages whose files are in the bundle. */
async function licences(inputs) {
  const folders = new Set(
    inputs.map(
      (input) => /^node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(input)?.[0],
    ),
  );
  folders.delete(undefined);
  const texts = [];
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(
      await readFile(join(folder, "package.json"), "utf8"),
    );
    const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
    const text = file ? await readFile(join(folder, file), "utf8") : "";
    texts.push({ title: `${name} ${version} (${license})`, text: text.trim() });
  }
  // Packages of one project share a text, which is printed once.
  const groups = new Map();
  for (const each of texts) groups.set(each.text, [...(groups.get(each.text) ?? []), each]);
  return [...groups]
    .map(([text, same]) => `${same.map((each) => each.title).join("\n")}\n\n${text}\n`)
    .join(`\n${"-".repeat(80)}\n\n`);
}
