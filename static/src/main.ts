/** The page, wired: the server's context, the catalog, the keys. */

import { Api } from "./data/api";
import { isGone, untilAlive, willGoOn } from "./data/server";
import type { Model } from "./data/wire";
import { breathe, byId } from "./dom";
import { startGraphics } from "./draw/graphics";
import { letDraw, letRest } from "./draw/ready";
import { Page } from "./page";
import { toggleTheme } from "./theme";
import { Help } from "./views/help";
import { say } from "./views/notices";

const context = document.body.dataset;

/** Keys that some keyboards have only on a second level, with Alt or AltGr (which says it is Control and Alt). */
const SECOND_LEVEL = /^[[\]/?]$/;

/** What a key means to the page: small letters, whatever Caps Lock says; null where it is meant for somebody else. */
function keyOf(event: KeyboardEvent): string | null {
  const typing = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
  if ((typing && event.key !== "Escape") || event.metaKey || event.isComposing) return null;
  if ((event.altKey || event.ctrlKey) && !(event.altKey && SECOND_LEVEL.test(event.key))) return null;
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

/** Whether the element that has the focus takes the key itself: a slider moves by some, and a panel is scrolled by arrows. */
function takes(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return (/^(Arrow|Page|Home|End|Enter| )/.test(key) && target.matches("canvas, [role=slider]")) || (/^Arrow/.test(key) && target.closest("aside") !== null);
}

/** Single keys act only where nobody is typing. */
function listenForKeys(page: Page, help: Help): void {
  document.addEventListener("keydown", (event) => {
    const key = keyOf(event);
    if (key === null) return;
    if (key === "?") help.toggle();
    else if (document.querySelector("dialog[open]") !== null) return; // a dialog has the keys
    else if (key === "Escape") {
      if (!page.guide.leave()) page.close();
    }
    else if (key === "s") page.nextScale();
    else if (key === "t") toggleTheme();
    else if (page.guide.key(key)) return;
    else if (key === "v") page.toggle("flat");
    else if (key === "l") page.toggle("list");
    else if (/^[1-9]$/.test(key)) page.picker.chooseAt(Number(key) - 1);
    else if (key === "/") {
      event.preventDefault();
      page.focusFind();
    } else if (!takes(event.target, key) && page.key(key)) event.preventDefault();
  });
}

/** The link for readers with a keyboard, and links that are put into this window's address. */
function listenForLinks(page: Page): void {
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address says what is shown
    page.setView("list");
    byId("layers").focus();
  });
  window.addEventListener("hashchange", () => { location.reload(); }); // the page itself changes it without a word
}

/** The networks, as soon as the server tells them. */
async function patiently(api: Api): Promise<Model[]> {
  for (;;) {
    try {
      const models = await api.models();
      say(null);
      return models;
    } catch (error) {
      if (!isGone(error)) throw error;
      say(willGoOn(error));
      await untilAlive(api);
    }
  }
}

async function start(): Promise<void> {
  const root = context["root"] ?? "";
  const api = new Api(root);
  const help = new Help();
  byId("help-button").addEventListener("click", () => { help.toggle(); });
  const started = startGraphics(root);
  const models = await patiently(api);
  const page = new Page(api, models, {
    keepSeconds: Number(context["keepSeconds"]),
    maxBytes: Number(context["maxBodyBytes"]),
  });
  await breathe();
  listenForKeys(page, help);
  listenForLinks(page);
  Object.assign(window, { convscope: page }); // for the console and for tests: convscope.stage, convscope.screenOf(...)
  void started.then(() => page.startGraphics()).then(() => {
    letDraw(); // where there is no scene, too
    letRest();
  });
  await page.open();
}

start().catch(say);
