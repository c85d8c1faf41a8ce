/** One map enlarged with its exact values, and below it the explanation of one of its numbers. */

import { button, h } from "../dom";
import type { Api } from "../data/api";
import { Problem } from "../data/api";
import { sizeOf } from "../data/maps";
import { parseNpy } from "../data/npy";
import { figure, shapeText } from "../data/number";
import type { Tensor } from "../data/safetensors";
import type { Layer, ModelDetail, Run } from "../data/wire";
import { lutFor, rangeFor, type Scale, type Theme } from "../draw/colour";
import { drawMap } from "../draw/maps";
import { Latest } from "../input/latest";
import { explanationView } from "./explanation";
import { fieldView } from "./field";
import { legendView } from "./legend";

export interface Look {
  scale: Scale;
  theme: Theme;
}

export interface InspectorEvents {
  select: (layer: string, unit: number[]) => void;
  close: () => void;
}

/** Exact tensors of one run, the last few only: a layer can be many megabytes. */
const KEPT = 4;

/** Longest side of the enlarged map in CSS pixels. */
const SIDE = 364;

export class Inspector {
  private readonly tensors = new Map<string, Promise<Tensor<Float32Array>>>();
  private readonly trail: { layer: string; unit: number[] }[] = [];
  private readonly shown: Latest<() => Promise<void>>;
  private readonly place: HTMLElement;
  private readonly api: Api;
  private readonly events: InspectorEvents;

  constructor(place: HTMLElement, api: Api, events: InspectorEvents) {
    this.place = place;
    this.api = api;
    this.events = events;
    this.shown = new Latest((work) => work());
  }

  hide(): void {
    this.trail.length = 0;
    this.place.hidden = true;
    this.place.replaceChildren();
  }

  /** Forgets the tensors of an earlier run. */
  forget(): void {
    this.tensors.clear();
  }

  /** Shows a map (`unit` is [c]) or a unit ([c, y, x], or [i] of a vector) of a run. */
  show(model: ModelDetail, run: Run, layer: Layer, unit: number[], look: Look): void {
    this.shown.push(async () => {
      try {
        const tensor = await this.tensor(run, layer);
        this.render(model, run, layer, unit, look, tensor);
        if (unit.length === layer.shape.length) await this.explain(model, run, layer, unit, look);
      } catch (error) {
        this.fail(layer, error);
      }
    });
  }

  private tensor(run: Run, layer: Layer): Promise<Tensor<Float32Array>> {
    const key = `${run.id}/${layer.name}`;
    const known = this.tensors.get(key);
    if (known !== undefined) return known;
    const loading = this.api.tensor(run.id, layer.name).then(parseNpy);
    loading.catch(() => this.tensors.delete(key)); // a failure is not kept; the caller reports it
    this.tensors.set(key, loading);
    const oldest = this.tensors.keys().next();
    if (this.tensors.size > KEPT && oldest.done !== true) this.tensors.delete(oldest.value);
    return loading;
  }

  private render(model: ModelDetail, run: Run, layer: Layer, unit: number[], look: Look, tensor: Tensor<Float32Array>): void {
    const [channels, height, width] = sizeOf(layer);
    const channel = unit[0] ?? 0;
    const values = tensor.data.subarray(channel * height * width, (channel + 1) * height * width);
    const [low, high] = extent(tensor.data);
    const [min, max] = extent(values);
    const vector = layer.shape.length < 3;
    const label = vector && model.labels.length === channels ? ` “${model.labels[channel] ?? ""}”` : "";
    const focused = document.activeElement instanceof HTMLElement && this.place.contains(document.activeElement) ? document.activeElement.dataset["focus"] : undefined;

    const step = (by: number): void => {
      const next = [...unit];
      next[0] = (channel + by + channels) % channels;
      this.events.select(layer.name, next);
    };
    const head = h("header", {},
      h("h2", {}, layer.name, h("span", { class: "dim" }, vector ? ` unit ${channel}${label} of ${channels}` : ` map ${channel} of ${channels}`)),
      button("‹", () => { step(-1); }, { class: "tool", "data-focus": "previous", "aria-label": vector ? "Previous unit" : "Previous map" }),
      button("›", () => { step(1); }, { class: "tool", "data-focus": "next", "aria-label": vector ? "Next unit" : "Next map" }),
      button("×", () => { this.events.close(); }, { class: "tool", "aria-label": "Close", "data-focus": "close", "aria-keyshortcuts": "Escape" }));

    this.place.replaceChildren(head);
    if (this.trail.length > 0) this.place.append(this.trailView());
    const [from, to] = rangeFor(look.scale, low, high, min, max);
    if (!vector) {
      this.place.append(
        this.mapView(layer, unit, values, height, width, [from, to], look),
        legendView(look, from, to, SIDE),
        h("p", { class: "dim" }, `This map: ${figure(min)} to ${figure(max)}. The layer, ${shapeText(layer.shape)} (C × H × W): ${figure(low)} to ${figure(high)}. Activations have no physical unit.`));
    }
    const explanation = h("div", { class: "explain-place", "aria-live": "polite" });
    if (!vector && unit.length < 3) explanation.append(h("p", { class: "prompt" }, "Choose a pixel of this map to see where its number comes from."));
    this.place.append(explanation, this.downloads(run, layer, look));
    this.place.hidden = false;
    if (focused !== undefined) this.place.querySelector<HTMLElement>(`[data-focus="${focused}"]`)?.focus();
  }

  /** The enlarged map: pointer or arrow keys choose a pixel. */
  private mapView(layer: Layer, unit: number[], values: Float32Array, height: number, width: number, range: readonly [number, number], look: Look): HTMLElement {
    const longer = Math.max(height, width);
    const side = Math.min(SIDE, window.innerWidth - 48);
    const zoom = longer <= side ? Math.floor(side / longer) : side / longer;
    const channel = unit[0] ?? 0;
    const [y = 0, x = 0] = unit.slice(1);
    const at = (row: number, column: number): number => values[row * width + column] ?? 0;
    const text = (row: number, column: number): string => `row ${row}, column ${column}: ${figure(at(row, column))}`;
    const canvas = h("canvas", {
      tabindex: 0, role: "slider", "data-focus": "map", "data-layer": layer.name, "data-channel": channel,
      "aria-label": `Pixels of ${layer.name} map ${channel}`, "aria-valuemin": 0, "aria-valuemax": height * width - 1,
      "aria-valuenow": y * width + x, "aria-valuetext": text(y, x),
    });
    drawMap(canvas, values, height, width, zoom, range, lutFor(look.scale, look.theme));
    const readout = h("output", { class: "readout" }, unit.length === 3 ? text(y, x) : "\u00a0");
    if (unit.length === 3) readout.dataset["value"] = String(at(y, x));
    const frame = h("div", { class: "map-frame" }, canvas);
    const mark = (row: number, column: number, name: string): HTMLElement => {
      const cell = h("span", { class: name });
      Object.assign(cell.style, { left: `${column * zoom}px`, top: `${row * zoom}px`, width: `${zoom}px`, height: `${zoom}px` });
      return cell;
    };
    if (unit.length === 3) frame.append(mark(y, x, "cell-mark"));
    const under = (event: MouseEvent): [number, number] => {
      const box = canvas.getBoundingClientRect();
      const clamp = (value: number, size: number): number => Math.min(Math.max(Math.floor(value / zoom), 0), size - 1);
      return [clamp(event.clientY - box.top, height), clamp(event.clientX - box.left, width)];
    };
    canvas.addEventListener("pointermove", (event) => {
      const [row, column] = under(event);
      readout.textContent = text(row, column);
      readout.dataset["value"] = String(at(row, column));
    });
    canvas.addEventListener("click", (event) => {
      this.choose(layer, [channel, ...under(event)]);
    });
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0], Enter: [0, 0], " ": [0, 0] }[event.key];
      if (move === undefined) return;
      event.preventDefault();
      const first = unit.length < 3; // the first key shows where the cursor is
      const row = first ? y : Math.min(Math.max(y + (move[0] ?? 0), 0), height - 1);
      const column = first ? x : Math.min(Math.max(x + (move[1] ?? 0), 0), width - 1);
      this.choose(layer, [channel, row, column]);
    });
    return h("div", { class: "enlarged" }, frame, readout);
  }

  private choose(layer: Layer, unit: number[]): void {
    this.trail.length = 0; // a new start of the walk
    this.events.select(layer.name, unit);
  }

  private async explain(model: ModelDetail, run: Run, layer: Layer, unit: number[], look: Look): Promise<void> {
    const place = this.place.querySelector(".explain-place");
    if (place === null) return;
    try {
      const explanation = await this.api.explanation(run.id, layer.name, unit);
      const walk = (to: string, next: number[]): void => {
        this.trail.push({ layer: layer.name, unit });
        this.events.select(to, next);
      };
      place.replaceChildren(
        h("h3", {}, "Where this number comes from"),
        h("p", { class: "value", "data-value": explanation.value }, figure(explanation.value)),
        explanationView(explanation, { theme: look.theme, labels: model.labels, layer: (name) => model.layers.find((one) => one.name === name), walk }),
        fieldView(this.api.inputUrl(run.id), model.input, explanation.receptive_field));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      place.replaceChildren(h("p", { class: "prompt", "data-problem": error.status }, error.message));
    }
  }

  /** The way that was walked, from the first unit on; each step leads back to where it was. */
  private trailView(): HTMLElement {
    const steps = this.trail.map((step, index) => button(`${step.layer} ${step.unit.join(", ")}`, () => {
      this.trail.length = index;
      this.events.select(step.layer, step.unit);
    }, { class: "walk" }));
    return h("nav", { class: "trail", "aria-label": "Walked from" }, h("span", { class: "dim" }, "From "), ...steps);
  }

  private downloads(run: Run, layer: Layer, look: Look): HTMLElement {
    return h("p", { class: "downloads" },
      h("a", { href: this.api.tensorUrl(run.id, layer.name), download: `${layer.name}.npy` }, "Exact numbers (NPY)"),
      h("a", { href: this.api.mapsUrl(run.id, layer.name, look.scale), download: `${layer.name}.png` }, "All maps (PNG)"));
  }

  private fail(layer: Layer, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const close = button("×", () => { this.events.close(); }, { class: "tool", "aria-label": "Close" });
    this.place.replaceChildren(h("header", {}, h("h2", {}, layer.name), close), h("p", { class: "prompt" }, message));
    this.place.hidden = false;
  }
}

/** Smallest and largest number. */
function extent(values: Float32Array): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
