/** All layers in order, beside the graph; only the rows in view are drawn. */

import { breathe, button, calm, h } from "../dom";
import type { Maps } from "../data/maps";
import type { ModelDetail } from "../data/wire";
import { railWidth } from "../draw/rail";
import { layoutRail } from "../layout/rail";
import { Row, type RowEvents, type RowLook } from "./row";

/** So many rows are built in one task. */
const PORTION = 24;

export class LayerList {
  private rows = new Map<string, Row>();
  private look: RowLook = { scale: "signed", theme: "dark", strongestFirst: false };
  private readonly list = h("div", { class: "layer-list" });
  private readonly names = h("datalist", { id: "layer-names" });
  private readonly find = h("input", { id: "find", type: "search", list: "layer-names", placeholder: "Find a layer", autocomplete: "off", "aria-label": "Find a layer", "aria-keyshortcuts": "/" });
  private readonly events: RowEvents;
  private readonly seen: IntersectionObserver;
  private lanes = 1;
  private readonly foldAll = button("Fold all", () => { this.fold(!this.folded); }, { class: "tool" });
  private folded = false;

  constructor(place: HTMLElement, events: RowEvents) {
    this.events = events;
    this.find.addEventListener("change", () => { this.reveal(this.find.value); });
    place.append(h("div", { class: "toolbar" }, this.find, this.names, this.foldAll), this.list);
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const row = this.rows.get(entry.target instanceof HTMLElement ? entry.target.dataset["layer"] ?? "" : "");
        if (row === undefined) continue;
        row.visible = entry.isIntersecting;
        row.paint();
      }
    }, { rootMargin: "400px" });
    new ResizeObserver(() => { this.measure(); }).observe(this.list);
  }

  /** Builds the rows of a network, without maps, some at a time, so that the page answers in between. */
  async show(model: ModelDetail): Promise<void> {
    this.seen.disconnect();
    this.rows = new Map();
    const rail = layoutRail(model.layers, model.edges);
    this.lanes = rail.lanes;
    const { rows } = this;
    this.fold(false); // as its rows begin
    for (const [index, layer] of model.layers.entries()) {
      const place = rail.rows[index];
      if (place !== undefined) rows.set(layer.name, new Row(layer, place, rail.lanes, model.labels, this.events));
      if (index % PORTION === PORTION - 1) await breathe();
      if (rows !== this.rows) return; // another network is shown by now
    }
    this.list.style.setProperty("--rail", `${railWidth(rail.lanes)}px`);
    this.list.dataset["model"] = model.id;
    this.list.replaceChildren(...[...this.rows.values()].map((row) => row.element));
    this.names.replaceChildren(...model.layers.map((layer) => h("option", { value: layer.name })));
    for (const row of rows.values()) {
      row.setLook(this.look);
      this.seen.observe(row.element);
    }
    this.measure();
  }

  /** The maps of one layer, or none any more. */
  setMaps(name: string, maps: Maps | null): void {
    this.rows.get(name)?.setMaps(maps);
  }

  setLook(look: RowLook): void {
    this.look = look;
    for (const row of this.rows.values()) row.setLook(look);
  }

  mark(layer: string | undefined, channel: number | null): void {
    for (const [name, row] of this.rows) row.setMark(name === layer ? channel : null);
  }

  focusFind(): void {
    this.find.focus();
    this.find.select();
  }

  /** Scrolls to a layer by its name, or the first that begins with or holds the text; false if there is none. */
  reveal(text: string): boolean {
    const wanted = text.trim().toLowerCase();
    if (wanted === "") return false;
    const names = [...this.rows.keys()];
    const name = names.find((one) => one.toLowerCase() === wanted) ?? names.find((one) => one.toLowerCase().startsWith(wanted)) ?? names.find((one) => one.toLowerCase().includes(wanted));
    const row = name === undefined ? undefined : this.rows.get(name);
    row?.fold(false);
    row?.element.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
    return row !== undefined;
  }

  private fold(folded: boolean): void {
    this.folded = folded;
    this.foldAll.textContent = folded ? "Unfold all" : "Fold all";
    for (const row of this.rows.values()) row.fold(folded);
  }

  private measure(): void {
    const width = this.list.clientWidth - railWidth(this.lanes) - 32;
    if (width > 0) for (const row of this.rows.values()) row.setWidth(width);
  }
}
