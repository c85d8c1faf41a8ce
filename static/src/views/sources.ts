/** The sources of one number, strongest first: each with its total, and opened, its patch, kernel and products. */

import { button, h } from "../dom";
import { strongestCell, unitUnder, type Contribution } from "../data/contributions";
import { printed } from "../data/ledger";
import { brief, count, figure } from "../data/number";
import type { Explanation, Layer } from "../data/wire";
import { lutFor, type Lut, type Theme } from "../draw/colour";
import { limitOf, linkCells, matrix } from "./matrix";
import type { Walk } from "./relations";
import type { Sums } from "./steps";

export interface ExplanationOptions {
  theme: Theme;
  labels: readonly string[]; // names of a vector's units, where it has as many
  layers: readonly Layer[];
  walk: Walk;
}

/** How many sources stand there at first: blocks of cells, single numbers. */
const BLOCKS = 8;
const LINES = 12;

/** So many lines are added a frame when all are asked for, so that the page stays alive. */
const PORTION = 24;

/** Columns up to which a product's factors fit its cell. */
const WORDED_COLUMNS = 5;

export interface SourcesPart {
  element: HTMLElement;
  shown: number;
}

/** `changed` is told how many sources are written out when the reader asks for all. */
export function sourcesView(
  explanation: Explanation, ranked: readonly Contribution[], sums: Sums | null, options: ExplanationOptions, changed: (shown: number) => void,
): SourcesPart {
  const single = ranked.every(({ source }) => source.values.flat().length === 1);
  const few = Math.min(ranked.length, single ? LINES : BLOCKS);
  const view = new View(explanation, ranked, sums, options);
  const place = single ? view.table() : h("div", { class: "source-list" });
  const rows = single ? place.querySelector("tbody") ?? place : place;
  const append = (from: number, to: number): void => {
    rows.append(...ranked.slice(from, to).map((item, index) => (single ? view.line(item) : view.block(item, from + index === 0))));
  };
  append(0, few);
  const heading = h("p", { class: "dim" });
  const head = h("div", { class: "sources-head" }, heading);
  const title = (shown: number): void => {
    const order = explanation.op === "lrn" || explanation.op === "add" ? "in order" : explanation.op === "rbf" ? "largest difference first" : explanation.sources.some((source) => source.weights !== null) ? "largest |sum of products| first" : "largest first";
    heading.textContent = ranked.length === 1 ? "1 source" : `${shown < ranked.length ? `${count(shown)} of ` : ""}${count(ranked.length)} sources, ${order}`;
  };
  title(few);
  if (few < ranked.length) {
    const all = button(`Show all ${count(ranked.length)}`, () => {
      all.remove();
      let at = few;
      const more = (): void => {
        const to = Math.min(at + PORTION, ranked.length);
        append(at, to);
        at = to;
        title(at);
        changed(at);
        if (at < ranked.length && rows.isConnected) requestAnimationFrame(more);
      };
      more();
    }, { class: "tool show-all" });
    head.append(all);
  }
  return { element: h("section", { "aria-label": "Sources" }, head, place), shown: few };
}

class View {
  private readonly lut: Lut;
  private readonly largest: number;
  private readonly highest: number;
  private readonly sumExp: number;
  private readonly layerOf: ReadonlyMap<string, Layer>;
  private readonly dilation: readonly [number, number];

  private readonly explanation: Explanation;
  private readonly sums: Sums | null;
  private readonly options: ExplanationOptions;

  constructor(explanation: Explanation, ranked: readonly Contribution[], sums: Sums | null, options: ExplanationOptions) {
    this.explanation = explanation;
    this.sums = sums;
    this.options = options;
    this.lut = lutFor("signed", options.theme);
    this.largest = ranked.reduce((most, item) => Math.max(most, Math.abs(item.total)), 1e-12);
    this.highest = ranked.reduce((most, item) => Math.max(most, item.total), -Infinity);
    this.sumExp = ranked.reduce((sum, item) => sum + Math.exp(item.total - this.highest), 0);
    this.layerOf = new Map(options.layers.map((layer) => [layer.name, layer]));
    this.dilation = this.layerOf.get(explanation.layer)?.dilation ?? [1, 1];
  }

  /** The head of the table of single numbers. */
  table(): HTMLElement {
    const { op } = this.explanation;
    const heads = this.weighted ? ["Value", op === "rbf" ? "Code" : "Weight", op === "rbf" ? "Difference²" : "Product"]
      : op === "softmax" ? ["Logit", "e^(logit − largest)", "Share"] : op === "lrn" ? ["Value", "Square"] : ["Value"];
    return h("table", { class: "lines" },
      h("thead", {}, h("tr", {}, ...["Source", ...heads].map((text) => h("th", { scope: "col" }, text)), h("th", { scope: "col", class: "bar-head" }, h("span", { class: "visually-hidden" }, "Size")))),
      h("tbody", {}));
  }

  /** A single number: one line. */
  line(item: Contribution): HTMLElement {
    const { op } = this.explanation;
    const value = item.source.values[0]?.[0] ?? 0;
    const weight = item.source.weights?.[0]?.[0];
    const own = (op === "softmax" || op === "lrn") && item.source.channel === this.explanation.unit[0];
    const power = Math.exp(item.total - this.highest);
    const cells = [figure(value)];
    if (weight !== undefined) cells.push(figure(weight), this.totalText(item));
    else if (op === "softmax") cells.push(figure(power), figure(power / this.sumExp));
    else if (op === "lrn") cells.push(figure(item.total));
    const size = op === "softmax" ? power / this.sumExp : item.total / this.largest;
    return h("tr", { class: own ? "own" : "", "data-channel": item.source.channel, "data-total": item.total, "data-printed": this.printedTotal(item) },
      h("td", {}, this.wayBack(item)), ...cells.map((text, index) => h("td", index === 0 ? { "data-value": value } : {}, text)), h("td", { class: "bar-cell" }, signedBar(size)));
  }

  /** Several cells: a line that opens into patch, kernel and products. */
  block(item: Contribution, open: boolean): HTMLElement {
    const { source, total } = item;
    const body = h("div", { class: "source-body" });
    const toggle = button(`map ${source.channel}`, () => { show(toggle.getAttribute("aria-expanded") !== "true"); }, { class: "source-toggle" });
    const show = (wanted: boolean): void => {
      if (wanted && body.childElementCount === 0) body.append(...this.cells(item));
      body.hidden = !wanted;
      toggle.setAttribute("aria-expanded", String(wanted));
    };
    show(open);
    return h("section", { class: "source", "data-source-layer": source.layer, "data-channel": source.channel, "data-total": total, "data-printed": this.printedTotal(item), "aria-label": `${source.layer}, map ${source.channel}` },
      h("div", { class: "source-line" }, toggle, signedBar(total / this.largest), h("span", { class: "source-total" }, this.sums === null ? "" : this.totalText(item)), this.wayBack(item)), body);
  }

  private get weighted(): boolean {
    return this.explanation.sources.some((source) => source.weights !== null);
  }

  private printedTotal(item: Contribution): string | undefined {
    const units = this.sums?.totals.get(item);
    return units === undefined || this.sums === null ? undefined : (units / 10 ** this.sums.decimals).toFixed(this.sums.decimals);
  }

  private totalText(item: Contribution): string {
    const units = this.sums?.totals.get(item);
    return units === undefined || this.sums === null ? figure(item.total) : printed(units, this.sums.decimals);
  }

  /** Patch, kernel and products cell by cell; a cell leads to the unit under it. */
  private cells(item: Contribution): HTMLElement[] {
    const { source, cells } = item;
    const { op } = this.explanation;
    const marked = op === "max_pool" ? { marked: strongestCell(op, item) } : {};
    const { lut } = this;
    const blocks = h("div", { class: "blocks" });
    const pair = h("div", { class: "pair" }, matrix(source.values, { label: `Patch of ${source.layer}`, lut, limit: limitOf(source.values), ...marked }));
    if (source.weights !== null) {
      const label = op === "subsampling" ? "Coefficient" : "Kernel";
      pair.append(h("span", { class: "sign", "aria-hidden": "true" }, "×"), matrix(source.weights, { label, lut, limit: limitOf(source.weights) }));
    }
    blocks.append(pair);
    if (cells !== null && source.weights !== null) {
      const columns = cells[0]?.length ?? 0;
      const words = columns <= WORDED_COLUMNS ? { words: (row: number, column: number) => `${brief(source.values[row]?.[column] ?? 0)}×${brief(source.weights?.[row]?.[column] ?? 0)}` } : {};
      blocks.append(matrix(cells, { label: `Products: they sum to ${this.totalText(item)}`, lut, limit: limitOf(cells), ...words }));
    }
    const readout = h("output", { class: "readout" }, "\u00a0");
    const shape = this.layerOf.get(source.layer)?.shape ?? [];
    linkCells(blocks, readout, {
      report: (row, column) => {
        const value = source.values[row]?.[column] ?? 0;
        const weight = source.weights?.[row]?.[column];
        const unit = unitUnder(source, [row, column], shape, this.dilation);
        const at = unit === null ? "padding" : unit.length < 3 ? `unit ${unit.join()}` : `row ${unit[1] ?? 0}, column ${unit[2] ?? 0}`;
        return weight === undefined ? `${at}: ${figure(value)}` : `${at}: ${figure(value)} × ${figure(weight)} = ${figure(value * weight)}`;
      },
      pick: (row, column) => {
        const unit = unitUnder(source, [row, column], shape, this.dilation);
        if (unit !== null) this.options.walk(source.layer, unit);
      },
    });
    const [down, across] = this.dilation;
    const place = `rows ${source.top} to ${source.top + (source.values.length - 1) * down}, columns ${source.left} to ${source.left + ((source.values[0]?.length ?? 1) - 1) * across}`;
    return [h("p", { class: "dim" }, `${source.layer}, map ${source.channel}, ${place}. Choose a cell to walk to it.`), blocks, readout];
  }

  /** Button that leads to the strongest cell of a source, or plain text where that lies in the padding. */
  private wayBack(item: Contribution): HTMLElement {
    const { source } = item;
    const { op } = this.explanation;
    const shape = this.layerOf.get(source.layer)?.shape ?? [];
    const unit = unitUnder(source, strongestCell(op, item), shape, this.dilation);
    const name = op === "softmax" ? this.options.labels[source.channel] : undefined;
    const single = item.source.values.flat().length === 1;
    const label = !single ? "go" : name !== undefined ? `${source.layer}: ${name}` : `${source.layer}, ${shape.length < 3 ? "unit" : "map"} ${source.channel}`;
    if (unit === null) return h("span", { class: "dim" }, single ? label : "padding");
    const title = `Go to ${source.layer} at ${unit.join(", ")}${op === "max_pool" ? ", the winner" : ""}`;
    return button(label, () => { this.options.walk(source.layer, unit); }, { class: "walk", "data-walk": source.layer, title, ...(single ? {} : { "aria-label": title }) });
  }
}

/** A bar to the right for what adds, to the left for what takes away; `share` is -1 to 1. */
export function signedBar(share: number): HTMLElement {
  const fill = h("span", { class: share < 0 ? "minus" : "plus" });
  const size = Math.min(Math.abs(share), 1) * 50;
  Object.assign(fill.style, { width: `${size}%`, left: share < 0 ? `${50 - size}%` : "50%" });
  return h("span", { class: "signed-bar", "aria-hidden": "true" }, fill);
}
