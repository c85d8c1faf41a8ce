/** The window slides: it steps over the input, and the output fills cell by cell with numbers computed here. */

import { button, calm, h } from "../dom";
import { sizeOf } from "../data/maps";
import { brief, count, figure } from "../data/number";
import { cellAt, patchAt, winnerOf, type Cell, type Operator, type Window } from "../data/window";
import { extent } from "../data/tensors";
import type { Layer } from "../data/wire";
import { cssColour, lutFor, rangeFor, type Scale, type Theme } from "../draw/colour";
import { drawMap, sizeCanvas } from "../draw/maps";
import { legendView } from "./legend";
import { limitOf, linkCells, matrix } from "./matrix";
import { ACTIVATIONS } from "./words";

export interface Film {
  layer: Layer;
  source: Layer;
  channel: number; // the output map
  operator: Operator;
  window: Window;
  input: Float32Array; // the source's tensor (C, H, W)
  output: Float32Array; // the service's own answer for this map (H, W): what the page computes must equal it
  extents: { input: readonly [number, number]; output: readonly [number, number] }; // of all maps of each layer, as the scale of a layer has it
  biased: boolean; // whether a bias is added to the products
}

export interface PlayerOptions {
  scale: Scale;
  theme: Theme;
  gamma?: number;
  width: number; // CSS pixels
  choose: (unit: number[]) => void; // the reader wants this output cell explained
  moved: (row: number, column: number) => void; // the window stands at another output cell
}

/** Cells a second, or the whole map in so many seconds where that is faster. */
const SPEEDS: readonly (readonly [name: string, rate: number, within: number])[] = [["Slow", 1.5, Infinity], ["Normal", 7, 40], ["Fast", 60, 5]];

/** A legend has at least this width, in CSS pixels: its numbers stand side by side. */
const LEGEND = 136;

/** Above this many cells a second the kernel's products are drawn only where the window stops. */
const LEGIBLE = 12;

export class Player {
  readonly element: HTMLElement;
  private readonly film: Film;
  private readonly options: PlayerOptions;
  private readonly inputCanvas = h("canvas", {});
  private readonly outputCanvas = h("canvas", {});
  private readonly frame = h("span", { class: "window-frame" });
  private readonly cursor = h("span", { class: "window-cursor" });
  private readonly inputLegend = h("div", {});
  private readonly outputLegend = h("div", {});
  private readonly calculation = h("div", { class: "calculation" });
  private readonly line = h("p", { class: "calculation-line" });
  private readonly play = button("▶ Play", () => { this.toggle(); }, { class: "tool play", "data-focus": "play", "aria-keyshortcuts": "Space" });
  private readonly map: HTMLSelectElement;
  private readonly filled: Uint8Array;
  private readonly values: Float32Array;
  private zoomIn = 1;
  private zoomOut = 1;
  private at = 0;
  private speed = 1;
  private playing = false;
  private request = 0;
  private difference = 0;

  constructor(film: Film, options: PlayerOptions, start = 0) {
    this.film = film;
    this.options = options;
    const [, height, width] = sizeOf(film.layer);
    this.filled = new Uint8Array(height * width);
    this.values = new Float32Array(height * width);
    this.map = h("select", { "aria-label": `Map of ${film.source.name} that is drawn`, "data-focus": "input-map" }, ...film.operator.channels.map((channel, index) => h("option", { value: index }, `map ${channel}`)));
    this.map.addEventListener("change", () => { this.drawInput(); this.show(true); });
    const speed = h("select", { "aria-label": "Speed", "data-focus": "speed" }, ...SPEEDS.map(([name], index) => h("option", { value: index, selected: index === this.speed }, name)));
    speed.addEventListener("change", () => { this.speed = Number(speed.value); });
    const tool = (label: string, name: string, action: () => void): HTMLElement => button(label, () => { this.pause(); action(); }, { class: "tool", "aria-label": name });
    this.element = h("section", { class: "player", "aria-label": `Sliding window of ${film.layer.name}`, "data-layer": film.layer.name, "data-channel": film.channel },
      this.figures(),
      h("div", { class: "player-tools" }, this.play, tool("«", "Start again", () => { this.restart(); }), tool("‹", "Step back", () => { this.move(this.at - 1); }), tool("›", "Step on", () => { this.move(this.at + 1); }), speed),
      h("div", { class: "player-pictures" },
        h("figure", {}, h("div", { class: "map-frame" }, this.inputCanvas, this.frame), this.inputLegend, h("figcaption", {}, `${film.source.name} `, film.operator.channels.length > 1 ? this.map : `map ${film.operator.channels[0] ?? 0}`)),
        h("figure", {}, h("div", { class: "map-frame output-frame" }, this.outputCanvas, this.cursor), this.outputLegend, h("figcaption", {}, `${film.layer.name} map ${film.channel}`))),
      this.line, this.calculation);
    this.listen();
    this.resize();
    this.move(start);
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.start();
  }

  /** Moves the window to an output cell (row by row), fills it and says its numbers. */
  move(index: number): void {
    this.at = Math.min(Math.max(index, 0), this.values.length - 1);
    this.fill(this.at);
    this.show(true);
  }

  /** Stops the film; a player that is thrown away must not go on. */
  pause(): void {
    cancelAnimationFrame(this.request);
    this.playing = false;
    this.play.textContent = "▶ Play";
    this.element.dataset["playing"] = "false";
  }

  private start(): void {
    if (this.at >= this.values.length - 1) this.restart();
    this.playing = true;
    this.play.textContent = "❚❚ Pause";
    this.element.dataset["playing"] = "true";
    let [last, owed] = [performance.now(), 0];
    const tick = (now: number): void => {
      if (!this.playing || !this.element.isConnected) return;
      const rate = this.rate();
      owed += Math.min((now - last) / 1000, 0.1) * rate;
      last = now;
      const steps = Math.floor(owed);
      owed -= steps;
      for (let k = 0; k < steps && this.at < this.values.length - 1; k += 1) this.fill((this.at += 1));
      if (steps > 0) this.show(rate <= LEGIBLE);
      if (this.at < this.values.length - 1) this.request = requestAnimationFrame(tick);
      else {
        this.pause();
        this.show(true);
      }
    };
    this.request = requestAnimationFrame(tick);
  }

  private rate(): number {
    const [, rate, within] = SPEEDS[this.speed] ?? ["", 7, 40];
    return Math.max(rate, this.values.length / within);
  }

  private restart(): void {
    this.filled.fill(0);
    this.difference = 0;
    this.drawOutput();
    this.move(0);
  }

  private cell(index: number): Cell {
    const [, , width] = sizeOf(this.film.layer);
    return cellAt(this.film.operator, this.film.window, this.film.input, this.film.source.shape, Math.floor(index / width), index % width);
  }

  private fill(index: number): void {
    if (this.filled[index] === 1) return;
    const { value } = this.cell(index);
    this.filled[index] = 1;
    this.values[index] = value;
    this.difference = Math.max(this.difference, Math.abs(value - (this.film.output[index] ?? 0)));
    const context = this.outputCanvas.getContext("2d");
    if (context === null) return;
    const [, , width] = sizeOf(this.film.layer);
    context.fillStyle = this.colour(value);
    context.fillRect((index % width) * this.zoomOut, Math.floor(index / width) * this.zoomOut, this.zoomOut, this.zoomOut);
  }

  /** As the panel of a map and the scene have it: one range for all maps of a layer, unless each has its own. */
  private rangeOf(values: Float32Array, [low, high]: readonly [number, number]): [number, number] {
    return rangeFor(this.options.scale, low, high, ...extent(values));
  }

  private legend(place: HTMLElement, range: readonly [number, number], wide: number): void {
    place.replaceChildren(legendView(this.options, ...range, Math.min(Math.max(wide, LEGEND), this.side)));
  }

  private colour(value: number): string {
    const [from, to] = this.range;
    return cssColour(lutFor(this.options.scale, this.options.theme, this.options.gamma), value, from, to).background;
  }

  private range: [number, number] = [0, 1];

  /** What each of the two pictures has of the panel's width. */
  private get side(): number {
    return Math.floor((this.options.width - 16) / 2);
  }

  private resize(): void {
    const [, height, width] = sizeOf(this.film.layer);
    const [, inHeight, inWidth] = sizeOf(this.film.source);
    const [top, left, bottom, right] = this.film.window.padding;
    const { side } = this;
    const fit = (longer: number): number => (longer <= side ? Math.floor(side / longer) : side / longer);
    this.zoomIn = fit(Math.max(inHeight + top + bottom, inWidth + left + right));
    // the output's cells are as large as the input's, or a whole number of times as large where a stride makes them fewer
    this.zoomOut = this.zoomIn * Math.max(1, Math.floor(Math.max(inHeight, inWidth) / Math.max(height, width)));
    this.range = this.rangeOf(this.film.output, this.film.extents.output);
    this.legend(this.outputLegend, this.range, width * this.zoomOut);
    this.drawInput();
    this.drawOutput();
  }

  /** The input map inside its padding; the padding is empty ground. */
  private drawInput(): void {
    const [, height, width] = sizeOf(this.film.source);
    const [top, left, bottom, right] = this.film.window.padding;
    const channel = this.drawn;
    const values = this.film.input.subarray(channel * height * width, (channel + 1) * height * width);
    const zoom = this.zoomIn;
    const range = this.rangeOf(values, this.film.extents.input);
    this.legend(this.inputLegend, range, width * zoom);
    drawMap(this.inputCanvas, values, height, width, zoom, range, lutFor(this.options.scale, this.options.theme, this.options.gamma));
    Object.assign(this.inputCanvas.style, { margin: `${top * zoom}px ${right * zoom}px ${bottom * zoom}px ${left * zoom}px` });
  }

  private drawOutput(): void {
    const [, height, width] = sizeOf(this.film.layer);
    const context = sizeCanvas(this.outputCanvas, width * this.zoomOut, height * this.zoomOut);
    this.filled.forEach((filled, index) => {
      if (filled === 0) return;
      context.fillStyle = this.colour(this.values[index] ?? 0);
      context.fillRect((index % width) * this.zoomOut, Math.floor(index / width) * this.zoomOut, this.zoomOut, this.zoomOut);
    });
  }

  private get drawn(): number {
    return this.film.operator.channels[Number(this.map.value)] ?? 0;
  }

  /** Frames, numbers, and with `whole` the products cell by cell. */
  private show(whole: boolean): void {
    const { film } = this;
    const [, , width] = sizeOf(film.layer);
    const [y, x] = [Math.floor(this.at / width), this.at % width];
    const cell = this.cell(this.at);
    const [top, left] = film.window.padding;
    const [kernelRows, kernelColumns] = film.window.kernel;
    const [down, across] = film.window.dilation;
    const place = (element: HTMLElement, row: number, column: number, rows: number, columns: number, zoom: number): void => {
      Object.assign(element.style, { top: `${row * zoom}px`, left: `${column * zoom}px`, width: `${columns * zoom}px`, height: `${rows * zoom}px` });
    };
    place(this.frame, cell.top + top, cell.left + left, (kernelRows - 1) * down + 1, (kernelColumns - 1) * across + 1, this.zoomIn);
    place(this.cursor, y, x, 1, 1, this.zoomOut);
    const filled = this.filled.reduce((sum, one) => sum + one, 0);
    Object.assign(this.element.dataset, { row: String(y), column: String(x), sum: String(cell.sum), value: String(cell.value), filled: String(filled), difference: String(this.difference) });
    this.line.textContent = `Row ${y}, column ${x}: ${this.words(cell)}`;
    this.outputCanvas.setAttribute("aria-valuenow", String(this.at));
    this.outputCanvas.setAttribute("aria-valuetext", `row ${y}, column ${x}: ${figure(cell.value)}`);
    if (whole) this.showProducts(cell, filled);
    this.options.moved(y, x);
  }

  private words(cell: Cell): string {
    const { operator } = this.film;
    const activated = operator.activation === null ? "" : ` → ${figure(cell.value)}`;
    switch (operator.op) {
      case "max_pool":
        return `the largest of ${cell.count} cells, ${figure(cell.sum)}${activated}`;
      case "average_pool":
        return `${figure(cell.products)} / ${cell.count} = ${figure(cell.sum)}${activated}`;
      case "relu":
        return `max(0, ${figure(cell.sum)}) = ${figure(cell.value)}`;
      case "subsampling":
        return `${figure(operator.coefficient)} × ${figure(cell.products)} (sum of ${cell.count}) + ${figure(operator.bias)} = ${figure(cell.sum)}${activated}`;
      default:
        return `${figure(cell.products)} (sum of ${count(cell.count)} products)${this.film.biased || operator.bias !== 0 ? ` + ${figure(operator.bias)} (bias) = ${figure(cell.sum)}` : ""}${activated}`;
    }
  }

  /** The window's cells of the drawn map, the kernel and the products; and whether all agrees with the service. */
  private showProducts(cell: Cell, filled: number): void {
    const { film } = this;
    const lut = lutFor("signed", this.options.theme);
    const patch = patchAt(film.window, film.input, film.source.shape, this.drawn, cell.top, cell.left);
    const kernel = film.operator.kernels?.[Number(this.map.value)];
    const blocks = h("div", { class: "blocks pair" }, matrix(patch, { label: "Under the window", lut, limit: limitOf(patch), ...(film.operator.op === "max_pool" ? { marked: winnerOf(patch) } : {}) }));
    const readout = h("output", { class: "readout" }, "\u00a0");
    if (kernel !== undefined) {
      const products = patch.map((row, i) => row.map((value, j) => (value ?? 0) * (kernel[i]?.[j] ?? 0)));
      const total = products.flat().reduce((sum, value) => sum + value, 0);
      blocks.append(h("span", { class: "sign", "aria-hidden": "true" }, "×"), matrix(kernel, { label: "Kernel", lut, limit: limitOf(kernel) }));
      const maps = film.operator.channels.length;
      readout.textContent = maps === 1 ? `products sum to ${figure(total)}` : `map ${this.drawn} gives ${figure(total)}; all ${count(maps)} maps ${figure(cell.products)}`;
      linkCells(blocks, readout, { report: (row, column) => `${patch[row]?.[column] === null ? "0 (outside the map)" : brief(patch[row]?.[column] ?? 0)} × ${brief(kernel[row]?.[column] ?? 0)} = ${brief(products[row]?.[column] ?? 0)}` });
    }
    const done = filled === this.values.length ? [h("p", { class: "done" }, `All ${count(filled)} cells are computed in this page; the largest difference from the service's numbers is ${this.difference === 0 ? "0" : this.difference.toExponential(1)}.`)] : [];
    this.calculation.replaceChildren(blocks, readout, ...done);
  }

  /** N, F, S, P and the output's side in numbers. */
  private figures(): HTMLElement {
    const { film } = this;
    const [, height, width] = sizeOf(film.source);
    const { kernel, stride, padding } = film.window;
    const [top, left, bottom, right] = padding;
    const two = (a: number, b: number): string => (a === b ? String(a) : `${a} × ${b}`);
    const pads = top === left && top === bottom && top === right ? String(top) : padding.join(", ");
    const chip = (letter: string, name: string, text: string): HTMLElement => h("span", { class: "chip", title: name }, h("b", {}, letter), ` ${text}`);
    const activation = film.operator.activation;
    if (film.layer.kernel === null) return h("div", { class: "player-figures" }, h("p", { class: "expression" }, "max(0, x): each cell of its map by itself"));
    return h("div", { class: "player-figures" },
      h("p", { class: "chips" }, chip("N", "Side of the input, in cells", two(height, width)), chip("F", "Side of the window, in cells", two(...kernel)), chip("S", "Stride, in cells", two(...stride)), chip("P", "Padding, in cells", pads)),
      h("p", { class: "expression" }, `(N − F + 2P)/S + 1:  ${film.layer.formula ?? ""}`),
      ...(activation === null ? [] : [h("p", { class: "dim" }, `Then ${ACTIVATIONS[activation] ?? activation}.`)]));
  }

  private listen(): void {
    const [, height, width] = sizeOf(this.film.layer);
    for (const [name, value] of Object.entries({ role: "slider", tabindex: "0", "data-focus": "output", "aria-label": `Cells of ${this.film.layer.name} map ${this.film.channel}`, "aria-valuemin": "0", "aria-valuemax": String(height * width - 1), "aria-valuenow": "0" })) this.outputCanvas.setAttribute(name, value);
    const clamp = (value: number, size: number): number => Math.min(Math.max(Math.floor(value), 0), size - 1);
    const underOutput = (event: MouseEvent): number => {
      const box = this.outputCanvas.getBoundingClientRect();
      return clamp((event.clientY - box.top) / this.zoomOut, height) * width + clamp((event.clientX - box.left) / this.zoomOut, width);
    };
    const hover = (index: number): void => {
      this.pause();
      this.move(index);
    };
    this.outputCanvas.addEventListener("pointermove", (event) => { hover(underOutput(event)); });
    this.outputCanvas.addEventListener("click", (event) => {
      const index = underOutput(event);
      hover(index);
      this.options.choose([this.film.channel, Math.floor(index / width), index % width]);
    });
    this.inputCanvas.addEventListener("pointermove", (event) => {
      const box = this.inputCanvas.getBoundingClientRect();
      const { kernel, stride, padding, dilation } = this.film.window;
      const axis = (at: number, k: 0 | 1, size: number): number => clamp((at / this.zoomIn + padding[k] - ((kernel[k] - 1) * dilation[k]) / 2) / stride[k], size);
      hover(axis(event.clientY - box.top, 0, height) * width + axis(event.clientX - box.left, 1, width));
    });
    this.element.addEventListener("keydown", (event) => {
      if (event.target instanceof HTMLSelectElement || (event.target instanceof HTMLButtonElement && event.key === " ")) return;
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: width, ArrowUp: -width }[event.key];
      const [y, x] = [Math.floor(this.at / width), this.at % width];
      if (step !== undefined) hover(this.at + step < 0 || this.at + step >= this.values.length ? this.at : this.at + step);
      else if (event.key === "Home") hover(0);
      else if (event.key === "End") hover(this.values.length - 1);
      else if (event.key === " ") this.toggle();
      else if (event.key === "Enter" && event.target === this.outputCanvas) this.options.choose([this.film.channel, y, x]);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    if (calm()) this.element.classList.add("calm");
  }
}
