import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { defineConfig } from "vitest/config";

const here = dirname(fileURLToPath(import.meta.url));

/** What /docs needs of Swagger UI, so that it asks no other host. */
const SWAGGER = ["swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "LICENSE", "NOTICE"];

/** A compressed twin beside every script and style that is worth it; app/assets.py serves it. */
function compress(): void {
  const dist = resolve(here, "dist");
  for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    const path = resolve(dist, name);
    if (/\.(js|css)$/.test(name) && statSync(path).size > 1024) writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
  }
}

export default defineConfig({
  root: here,
  publicDir: false,
  base: "./",
  build: {
    outDir: "dist",
    target: "es2022",
    modulePreload: false,
    license: { fileName: "licenses.txt" }, // of what is bundled; /about links to it
    rolldownOptions: {
      // Stable names: the templates refer to them, and the server revalidates them by ETag.
      input: {
        main: resolve(here, "src/main.ts"),
        theme: resolve(here, "src/theme.ts"),
        docs: resolve(here, "src/docs.ts"),
        warm: resolve(here, "src/warm.ts"),
        paint: resolve(here, "src/paint.ts"),
        style: resolve(here, "src/styles/style.css"),
      },
      output: { entryFileNames: "[name].js", chunkFileNames: "[name].js", assetFileNames: "[name][extname]" },
    },
  },
  plugins: [
    {
      name: "copy-swagger-ui",
      apply: "build",
      closeBundle() {
        const from = resolve(here, "node_modules/swagger-ui-dist");
        const to = resolve(here, "dist/swagger");
        mkdirSync(to, { recursive: true });
        for (const file of SWAGGER) cpSync(resolve(from, file), resolve(to, file));
      },
    },
    {
      name: "compress",
      apply: "build",
      enforce: "post",
      closeBundle: { order: "post", sequential: true, handler: compress },
    },
  ],
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
