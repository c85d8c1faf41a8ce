/** The page, wired: the server's context, the catalog, the keys. */

import { Api } from "./data/api";
import { breathe, byId } from "./dom";
import { letDraw } from "./draw/ready";
import { Page } from "./page";
import { toggleTheme } from "./theme";
import { Help } from "./views/help";

const context = document.body.dataset;

/** Single keys act only where nobody is typing. */
function listenForKeys(page: Page, help: Help): void {
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") help.toggle();
    else if (document.querySelector("dialog[open]") !== null) return; // a dialog has the keys
    else if (event.key === "Escape") {
      if (!page.guide.leave()) page.close();
    }
    else if (event.key === "s") page.nextScale();
    else if (event.key === "t") toggleTheme();
    else if (page.guide.key(event.key)) return;
    else if (event.key === "v") page.toggleFlat();
    else if (event.key === "l") page.toggleList();
    else if (/^[1-9]$/.test(event.key)) page.chooseAt(Number(event.key) - 1);
    else if (event.key === "/") {
      event.preventDefault();
      page.focusFind();
    } else if (!(event.target instanceof HTMLElement && event.target.matches("canvas, [role=slider]")) && page.key(event.key)) event.preventDefault();
  });
}

/** How long the page waits for the graphics to start before it goes on without having warmed them up, in milliseconds. */
const PATIENCE = 8000;

/** Lets a worker start the browser's graphics; the page's own first context would stand still for as long as that takes. */
function warmUp(root: string): Promise<void> {
  return new Promise((resolve) => {
    const worker = new Worker(`${root}/static/warm.js`, { type: "module" });
    worker.onmessage = worker.onerror = () => {
      worker.terminate();
      resolve();
    };
    window.setTimeout(resolve, PATIENCE);
  });
}

async function start(): Promise<void> {
  const root = context["root"] ?? "";
  const api = new Api(root);
  const help = new Help();
  byId("help-button").addEventListener("click", () => { help.toggle(); });
  const warm = warmUp(root);
  const models = await api.models();
  const page = new Page(api, models, {
    keepSeconds: Number(context["keepSeconds"]),
    maxBytes: Number(context["maxBodyBytes"]),
  });
  await breathe();
  listenForKeys(page, help);
  Object.assign(window, { convscope: page }); // for the console and for tests: convscope.stage, convscope.screenOf(...)
  void warm.then(() => {
    letDraw();
    return page.startGraphics();
  });
  await page.open();
}

start().catch((error: unknown) => {
  const alert = byId("alert");
  alert.hidden = false;
  alert.textContent = error instanceof Error ? error.message : "The page could not start. Reload it.";
});
