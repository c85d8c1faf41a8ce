/** The layers beside the scene: find one, fly to it, fold it, hide it. The same data for eyes, keyboard and screen reader. */

import { button, h } from "../dom";
import type { Maps } from "../data/maps";
import { figure, shapeText } from "../data/number";
import type { ModelDetail } from "../data/wire";
import { Settled } from "../input/settled";
import { layerWords } from "./words";

export interface ShelfEvents {
  fly: (layer: string) => void;
  point: (layer: string | null) => void; // at a layer's row, by pointer or focus
  fold: (layers: string[], folded: boolean) => void;
  hide: (layers: string[], hidden: boolean) => void;
}

/** New ranges are written once no more have come for so long, in ms: every change has the browser compose the whole window. */
const ARRIVED = 100;

interface Item {
  element: HTMLElement;
  range: HTMLElement;
  name: HTMLButtonElement;
  fold: HTMLButtonElement;
  hide: HTMLButtonElement;
}

export class Shelf {
  private readonly items = new Map<string, Item>();
  private readonly list = h("ol", { class: "shelf-list" });
  private readonly find = h("input", { id: "find-layer", type: "search", placeholder: "Find a layer", autocomplete: "off", "aria-label": "Find a layer in the scene", "aria-keyshortcuts": "/" });
  private readonly folding: HTMLButtonElement;
  private readonly events: ShelfEvents;
  private readonly fresh = new Map<string, Maps>();
  private readonly arrived = new Settled(ARRIVED, () => { this.write(); });

  constructor(place: HTMLElement, events: ShelfEvents) {
    this.events = events;
    this.find.addEventListener("input", () => { this.filter(); });
    this.find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.matches()[0]?.[1].name.click();
      if (event.key === "Escape") {
        this.find.value = "";
        this.filter();
        this.find.blur();
      }
    });
    this.folding = button("Fold all", () => {
      const folded = this.folding.textContent === "Fold all";
      this.events.fold([...this.items.keys()], folded);
    }, { class: "tool" });
    place.append(h("header", {}, this.find, this.folding), h("p", { class: "shelf-head dim" }, h("span", {}, "Layer"), h("span", {}, "C × H × W")), this.list);
  }

  show(model: ModelDetail): void {
    this.items.clear();
    this.fresh.clear();
    for (const layer of model.layers) {
      const { name } = layer;
      const fly = button(name, () => { this.events.fly(name); }, { class: "shelf-name", title: `${name}: ${layerWords(layer)}` });
      fly.replaceChildren(...name.split(/(?<=\.)/).flatMap((part) => [part, h("wbr", {})])); // a long name breaks behind a dot
      const range = h("span", { class: "shelf-range dim" });
      const fold = button("Fold", () => { this.events.fold([name], fold.getAttribute("aria-pressed") !== "true"); }, { class: "shelf-tool fold-one", "aria-pressed": "false", "aria-label": `Fold ${name}`, title: "Fold into one tile" });
      const hide = button("Hide", () => { this.events.hide([name], hide.getAttribute("aria-pressed") !== "true"); }, { class: "shelf-tool hide-one", "aria-pressed": "false", "aria-label": `Hide ${name}`, title: "Show or hide" });
      const element = h("li", { "data-layer": name }, fly, h("span", { class: "shelf-shape dim" }, shapeText(layer.shape)), fold, hide, range);
      for (const arrived of ["pointerenter", "focusin"]) element.addEventListener(arrived, () => { this.events.point(name); });
      for (const left of ["pointerleave", "focusout"]) element.addEventListener(left, () => { this.events.point(null); });
      this.items.set(name, { element, range, name: fly, fold, hide });
    }
    this.list.replaceChildren(...[...this.items.values()].map((item) => item.element));
    this.filter();
  }

  setMaps(name: string, maps: Maps | null): void {
    const item = this.items.get(name);
    if (item === undefined) return;
    item.element.classList.toggle("lit", maps !== null);
    if (maps === null) {
      this.fresh.delete(name);
      item.range.textContent = "";
      return;
    }
    this.fresh.set(name, maps);
    this.arrived.ask();
  }

  private write(): void {
    for (const [name, { low, high }] of this.fresh) {
      const item = this.items.get(name);
      if (item !== undefined) item.range.textContent = `${figure(low)} to ${figure(high)}`;
    }
    this.fresh.clear();
  }

  /** Shows which layers are folded and hidden. */
  setState(folded: (layer: string) => boolean, hidden: (layer: string) => boolean): void {
    for (const [name, item] of this.items) {
      item.fold.setAttribute("aria-pressed", String(folded(name)));
      item.hide.setAttribute("aria-pressed", String(hidden(name)));
      item.element.classList.toggle("gone", hidden(name));
    }
    this.folding.textContent = [...this.items.keys()].some((name) => !folded(name)) ? "Fold all" : "Open all";
  }

  mark(layer: string | undefined): void {
    for (const [name, item] of this.items) {
      const marked = name === layer;
      item.element.classList.toggle("marked", marked);
      if (marked) item.element.scrollIntoView({ block: "nearest" });
    }
  }

  focusFind(): void {
    this.find.focus();
    this.find.select();
  }

  private matches(): [string, Item][] {
    const wanted = this.find.value.trim().toLowerCase();
    const all = [...this.items].filter(([name]) => name.toLowerCase().includes(wanted));
    return all.sort(([a], [b]) => Number(b.toLowerCase().startsWith(wanted)) - Number(a.toLowerCase().startsWith(wanted)));
  }

  private filter(): void {
    const found = new Set(this.matches().map(([name]) => name));
    for (const [name, item] of this.items) item.element.hidden = !found.has(name);
  }
}
