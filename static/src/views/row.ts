/** One layer of the list: its place in the graph, its facts, its legend and its maps. */

import { button, h } from "../dom";
import { channelOrder, sizeOf, valueAt, type Maps } from "../data/maps";
import { figure, shapeText } from "../data/number";
import type { Layer } from "../data/wire";
import { lutFor, rangeFor, type Scale, type Theme } from "../draw/colour";
import { drawTiles } from "../draw/maps";
import { drawRail } from "../draw/rail";
import { drawable, whenDrawable } from "../draw/ready";
import type { RailRow } from "../layout/rail";
import { hitTile, layoutTiles, stepTile, tileAt, type TileGrid } from "../layout/tiles";
import { eachMap, legendView } from "./legend";
import { layerCounts, layerWords } from "./words";

export interface RowEvents {
  select: (layer: string, unit: number[]) => void;
  opened: (layer: string, unit: number[]) => void; // by a key, which goes on in the panel
}

export interface RowLook {
  scale: Scale;
  theme: Theme;
  gamma?: number;
  strongestFirst: boolean;
}

export class Row {
  readonly element: HTMLElement;
  readonly layer: Layer;
  visible = false;
  private readonly canvas: HTMLCanvasElement;
  private readonly box = h("div", { class: "maps", hidden: true });
  private readonly mark = h("span", { class: "tile-mark", hidden: true });
  private readonly hover = h("span", { class: "tile-hover", hidden: true });
  private readonly readout = h("output", { class: "readout" });
  private readonly legend = h("div", { class: "legend-place" });
  private readonly labels: readonly string[];
  private readonly events: RowEvents;
  private maps: Maps | null = null;
  private grid: TileGrid | null = null;
  private order: number[] = [];
  private look: RowLook = { scale: "signed", theme: "dark", strongestFirst: false };
  private width = 0;
  private dirty = true;
  private cursor = 0;
  private marked: number | null = null; // channel

  constructor(layer: Layer, rail: RailRow, lanes: number, labels: readonly string[], events: RowEvents) {
    this.layer = layer;
    this.events = events;
    this.labels = labels.length === sizeOf(layer)[0] && layer.shape.length < 3 ? labels : [];
    this.canvas = h("canvas", { tabindex: 0, role: "slider", "aria-label": `Maps of ${layer.name}`, "aria-valuemin": 0, "aria-valuemax": sizeOf(layer)[0] - 1, "aria-valuenow": 0 });
    this.box.append(this.canvas, this.mark, this.hover);
    const fold = button(layer.name, () => { this.fold(fold.getAttribute("aria-expanded") === "true"); }, { class: "fold", "aria-expanded": "true" });
    const order = layer.shape.length === 3 ? "C × H × W" : "units";
    const facts = [layer.formula ?? "", layerCounts(layer), layer.receptive_field === null || layer.op === "input" ? "" : `sees ${layer.receptive_field.join(" × ")} pixels`].filter((fact) => fact !== "");
    this.element = h("section", {
      class: "layer", id: `layer-${layer.name}`, "data-layer": layer.name, "data-op": layer.op, "data-shape": layer.shape.join(","), "aria-label": `Layer ${layer.name}`,
    }, drawRail(rail, lanes), h("div", { class: "layer-body" },
      h("header", {}, h("h3", {}, fold), h("span", { class: "op" }, layerWords(layer)), h("span", { class: "shape", title: order }, shapeText(layer.shape), h("span", { class: "dim" }, ` ${order}`))),
      h("p", { class: "facts" }, facts.join("  ·  ")),
      h("div", { class: "layer-maps" }, this.box, h("div", { class: "under" }, this.legend, this.readout))));
    this.listen();
  }

  fold(folded: boolean): void {
    this.element.classList.toggle("folded", folded);
    this.element.querySelector(".fold")?.setAttribute("aria-expanded", String(!folded));
  }

  setMaps(maps: Maps | null): void {
    this.maps = maps;
    this.box.hidden = maps === null;
    this.element.classList.toggle("lit", maps !== null);
    if (maps === null) {
      this.legend.replaceChildren();
      this.readout.textContent = "";
      return;
    }
    Object.assign(this.element.dataset, { min: String(maps.low), max: String(maps.high) });
    this.arrange();
  }

  setLook(look: RowLook): void {
    this.look = look;
    this.arrange();
  }

  /** Lays the tiles out anew in `width` CSS pixels; draws when the row is in view. */
  setWidth(width: number): void {
    if (width === this.width) return;
    this.width = width;
    this.arrange();
  }

  /** Frames the tile of a channel, or none. */
  setMark(channel: number | null): void {
    this.marked = channel;
    this.place(this.mark, channel === null ? -1 : this.order.indexOf(channel));
    if (channel !== null) this.cursor = Math.max(this.order.indexOf(channel), 0);
  }

  /** Draws if the row is in view and something has changed. */
  paint(): void {
    if (!this.visible || !this.dirty || this.maps === null || this.grid === null) return;
    if (!drawable()) {
      whenDrawable(() => { this.paint(); });
      return;
    }
    this.dirty = false;
    const { maps, look } = this;
    drawTiles(this.canvas, maps, this.grid, this.order, { scale: look.scale, lut: lutFor(look.scale, look.theme, look.gamma) });
    const [from, to] = rangeFor(look.scale, maps.low, maps.high, maps.low, maps.high);
    const each = eachMap(look.scale, maps);
    this.legend.replaceChildren(legendView(look, from, to, 150), ...(each === null ? [] : [h("span", { class: "dim" }, each)]));
  }

  private arrange(): void {
    if (this.maps === null || this.width === 0) return;
    const [channels, height, width] = sizeOf(this.layer);
    this.grid = layoutTiles(channels, height, width, this.width);
    this.order = channelOrder(this.maps, this.look.strongestFirst);
    Object.assign(this.box.style, { width: `${this.grid.width}px`, height: `${this.grid.height}px` });
    this.dirty = true;
    this.setMark(this.marked); // its tile may have another place now
    this.describe(this.cursor);
    this.paint();
  }

  private place(frame: HTMLElement, index: number): void {
    frame.hidden = index < 0 || this.grid === null;
    if (index < 0 || this.grid === null) return;
    const [left, top] = tileAt(this.grid, index);
    Object.assign(frame.style, { left: `${left - 2}px`, top: `${top - 2}px`, width: `${this.grid.tileWidth + 4}px`, height: `${this.grid.tileHeight + 4}px` });
  }

  private title(channel: number): string {
    const label = this.labels[channel];
    return this.layer.shape.length === 3 ? `map ${channel}` : `unit ${channel}${label === undefined ? "" : ` “${label}”`}`;
  }

  private describe(index: number): void {
    const channel = this.order[index] ?? 0;
    const range = this.layer.shape.length === 3 ? `${figure(this.maps?.min[channel] ?? 0)} to ${figure(this.maps?.max[channel] ?? 0)}` : figure(this.maps?.max[channel] ?? 0);
    this.canvas.setAttribute("aria-valuenow", String(channel));
    this.canvas.setAttribute("aria-valuetext", `${this.title(channel)}, ${range}`);
  }

  private listen(): void {
    const hit = (event: MouseEvent): ReturnType<typeof hitTile> => {
      const box = this.canvas.getBoundingClientRect();
      return this.grid === null ? null : hitTile(this.grid, this.order.length, event.clientX - box.left, event.clientY - box.top);
    };
    this.canvas.addEventListener("pointermove", (event) => {
      const found = hit(event);
      this.place(this.hover, found?.index ?? -1);
      if (found !== null && this.maps !== null) this.report(found.index, found.across, found.down, this.maps);
    });
    this.canvas.addEventListener("pointerleave", () => {
      this.place(this.hover, -1);
      this.readout.textContent = "";
    });
    this.canvas.addEventListener("click", (event) => {
      const found = hit(event);
      if (found !== null) this.events.select(this.layer.name, [this.order[found.index] ?? 0]);
    });
    this.canvas.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        this.events.opened(this.layer.name, [this.order[this.cursor] ?? 0]);
      } else if (/^(Arrow|Home|End)/.test(event.key) && this.grid !== null) {
        event.preventDefault();
        this.cursor = stepTile(this.grid, this.order.length, this.cursor, event.key);
        this.place(this.hover, this.cursor);
        this.describe(this.cursor);
        this.readout.textContent = this.canvas.getAttribute("aria-valuetext");
      }
    });
  }

  /** Value and place under the pointer; of a shrunk map, the mean of the cells that were joined. */
  private report(index: number, across: number, down: number, maps: Maps): void {
    const [, height, width] = sizeOf(this.layer);
    const channel = this.order[index] ?? 0;
    const value = valueAt(maps, channel, Math.floor(down * maps.height), Math.floor(across * maps.width));
    const place = this.layer.shape.length === 3 ? `, row ${Math.floor(down * height)}, column ${Math.floor(across * width)}` : "";
    const exact = height * width === 1;
    this.readout.textContent = `${this.title(channel)}${place}: ${exact ? "" : "about "}${figure(value)}`;
    Object.assign(this.readout.dataset, { value: String(value), channel: String(channel) });
  }
}
