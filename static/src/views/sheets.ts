/** The sheets of a narrow window: input and layers, one of them open or none, each with a tab. Wide windows show both. */

import { byId } from "../dom";

export type SheetName = "side" | "shelf" | "";

const TABS = [["show-side", "side"], ["show-shelf", "shelf"]] as const;

/** Opens one, or closes them all (""). */
export function openSheet(name: SheetName): void {
  document.body.dataset["sheet"] = name;
  for (const [tab, own] of TABS) byId(tab).setAttribute("aria-expanded", String(own === name));
}

/** Of a narrow window; in a wide one it means nothing. */
export function openedSheet(): SheetName {
  return TABS.find(([, own]) => own === document.body.dataset["sheet"])?.[1] ?? "";
}

/** A tab opens its sheet, or closes it. */
export function listenForSheets(changed: () => void): void {
  for (const [tab, own] of TABS) {
    byId(tab).addEventListener("click", () => {
      openSheet(openedSheet() === own ? "" : own);
      changed();
    });
  }
}
