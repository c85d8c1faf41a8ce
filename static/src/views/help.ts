/** The help sheet: every key, and what it does. */

import { button, h } from "../dom";

const KEYS: readonly (readonly [string, string])[] = [
  ["?", "Open or close this sheet"],
  ["/", "Find a layer"],
  ["1 … 9", "Choose a network, in the order of the list"],
  ["Tab", "Go to the next layer's maps"],
  ["← ↑ → ↓", "Choose a map in a layer, or a pixel of the enlarged map"],
  ["Enter", "Enlarge the map, or explain the pixel"],
  ["Esc", "Close the enlarged map"],
  ["S", "Next colour scale"],
  ["T", "Light or dark"],
];

export class Help {
  private readonly dialog: HTMLDialogElement;

  constructor() {
    this.dialog = h("dialog", { class: "help", "aria-label": "Keys" },
      h("header", {}, h("h2", {}, "Keys"), button("×", () => { this.dialog.close(); }, { class: "tool", "aria-label": "Close" })),
      h("dl", {}, ...KEYS.flatMap(([key, meaning]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, meaning)])),
      h("p", { class: "dim" }, "Shapes are channels × height × width. Drop or paste a photo anywhere on the page."));
    document.body.append(this.dialog);
  }

  toggle(): void {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }

  get open(): boolean {
    return this.dialog.open;
  }
}
