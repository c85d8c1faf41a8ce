/** The panel of one map: enlarged, with its sliding window, its calculator, and the explanation of one number. */

import { button, h } from "../dom";
import type { Api } from "../data/api";
import { Problem } from "../data/api";
import { hasBias } from "../data/lineage";
import { sizeOf } from "../data/maps";
import { figure, shapeText } from "../data/number";
import type { Tensor } from "../data/safetensors";
import { extent, type Tensors } from "../data/tensors";
import { operatorOf, windowOf } from "../data/window";
import type { Layer, ModelDetail, Run } from "../data/wire";
import { lutFor, rangeFor, type Scale, type Theme } from "../draw/colour";
import { whenDrawable } from "../draw/ready";
import { Latest } from "../input/latest";
import { Calculator, exerciseOf, ownWords } from "./calculator";
import { enlargedView } from "./enlarged";
import { explanationView } from "./explanation";
import { fieldView } from "./field";
import { legendView } from "./legend";
import { Player } from "./player";
import { messageOf } from "./notices";

export interface Look {
  scale: Scale;
  theme: Theme;
  gamma?: number;
}

export interface InspectorEvents {
  select: (layer: string, unit: number[]) => void;
  close: () => void;
  view: (view: InspectorView) => void; // the reader chose another view of the map
}

/** What stands above the explanation. */
export type InspectorView = "map" | "window" | "calculator";

const VIEWS: readonly (readonly [InspectorView, string])[] = [["map", "Map"], ["window", "Sliding window"], ["calculator", "Calculator"]];

/** Width of the panel's contents, and of the enlarged map in it, in CSS pixels. */
const SIDE = 364;
const MAP = 240;

interface Shown {
  model: ModelDetail;
  run: Run;
  layer: Layer;
  unit: number[];
  look: Look;
}

export class Inspector {
  private readonly trail: { layer: string; unit: number[] }[] = [];
  private wanted = false; // whether the next map takes the focus
  private readonly shown: Latest<() => Promise<void>>;
  private readonly place: HTMLElement;
  private readonly api: Api;
  private readonly tensors: Tensors;
  private readonly events: InspectorEvents;
  private view: InspectorView = "map";
  private player: { key: string; player: Player } | null = null;
  private calculator: { layer: Layer; element: HTMLElement | null } | null = null;
  private last: Shown | null = null;
  private overtake: () => void = () => undefined; // what waits for its numbers gives way

  constructor(place: HTMLElement, api: Api, tensors: Tensors, events: InspectorEvents) {
    this.place = place;
    this.api = api;
    this.tensors = tensors;
    this.events = events;
    this.shown = new Latest((work) => work());
  }

  hide(): void {
    this.trail.length = 0;
    this.player?.player.pause();
    this.player = null;
    this.calculator = null;
    this.last = null;
    this.shown.forget();
    this.view = "map";
    this.place.hidden = true;
    this.place.replaceChildren();
  }

  /** The view above the explanation, where the layer has it; the map otherwise. */
  setView(view: InspectorView): void {
    this.view = view;
    if (view !== "window") this.player?.player.pause();
  }

  /** Plays or pauses the window; opens it first. Nothing happens where no layer with a window is shown. */
  play(): void {
    if (this.view === "window" && this.player !== null) this.player.player.toggle();
    else if (this.last !== null && slides(this.last.layer)) this.events.view("window");
  }

  /** Shows a map (`unit` is [c]) or a unit ([c, y, x], or [i] of a vector) of a run. */
  show(model: ModelDetail, run: Run, layer: Layer, unit: number[], look: Look): void {
    this.overtake();
    this.shown.push(async () => {
      const shown = (this.last = { model, run, layer, unit, look });
      const stays = (): boolean => this.last === shown; // the panel may be closed while its numbers come
      if (this.place.hidden) this.open(layer, unit[0] ?? 0);
      await new Promise<void>(whenDrawable);
      try {
        const overtaken = new Promise<null>((resolve) => { this.overtake = () => { resolve(null); }; });
        const tensor = await Promise.race([this.tensors.get(run.id, layer.name), overtaken]); // it may be many megabytes
        if (tensor === null || !stays()) return;
        const view = !slides(layer) || (this.view === "calculator" && exerciseOf(layer, model.layers) === null) ? "map" : this.view;
        const above = view === "window" ? await this.windowView(shown, tensor) : view === "calculator" ? this.calculatorView(layer, model) : null;
        if (!stays()) return;
        this.render(shown, tensor, view, above);
        if (unit.length === layer.shape.length) await this.explain(shown);
      } catch (error) {
        if (stays()) this.fail(layer, error);
      }
    });
  }

  /** What is opened next has the keys: the arrows go on from its map. */
  takeFocus(): void {
    this.wanted = true;
  }

  /** The panel opens at once, and says what it waits for. */
  private open(layer: Layer, channel: number): void {
    this.place.replaceChildren(h("header", {}, h("h2", {}, layer.name, h("span", { class: "dim" }, ` ${channel}`)), this.closeButton()), h("p", { class: "dim" }, "Fetching its numbers"));
    this.place.hidden = false;
  }

  private closeButton(): HTMLElement {
    return button("×", () => { this.events.close(); }, { class: "tool", "aria-label": "Close", "data-focus": "close", "aria-keyshortcuts": "Escape" });
  }

  private render(shown: Shown, tensor: Tensor<Float32Array>, view: InspectorView, above: HTMLElement | null): void {
    const { model, run, layer, unit, look } = shown;
    const [channels, height, width] = sizeOf(layer);
    const channel = unit[0] ?? 0;
    const values = tensor.data.subarray(channel * height * width, (channel + 1) * height * width);
    const [low, high] = extent(tensor.data);
    const [min, max] = extent(values);
    const vector = layer.shape.length < 3;
    const won = run.predictions[0]?.index === channel ? ", the most likely" : "";
    const label = vector && model.labels.length === channels ? ` “${model.labels[channel] ?? ""}”${won}` : "";
    const focused = this.wanted ? "map" : document.activeElement instanceof HTMLElement && this.place.contains(document.activeElement) ? document.activeElement.dataset["focus"] ?? "map" : undefined; // what has gone, such as a step of the walk, gives the keys to the map
    const typing = document.activeElement instanceof HTMLElement && above?.contains(document.activeElement) === true ? document.activeElement : null;
    const step = (by: number): void => {
      this.events.select(layer.name, [(channel + by + channels) % channels, ...unit.slice(1)]);
    };
    const head = h("header", {},
      h("h2", {}, layer.name, h("span", { class: "dim" }, vector ? ` unit ${channel}${label}, of 0 to ${channels - 1}` : ` map ${channel}, of 0 to ${channels - 1}`)),
      button("‹", () => { step(-1); }, { class: "tool", "data-focus": "previous", "aria-label": vector ? "Previous unit" : "Previous map" }),
      button("›", () => { step(1); }, { class: "tool", "data-focus": "next", "aria-label": vector ? "Next unit" : "Next map" }),
      this.closeButton());

    this.place.replaceChildren(head);
    if (this.trail.length > 0) this.place.append(this.trailView());
    if (slides(layer)) this.place.append(this.viewsBar(view, exerciseOf(layer, model.layers) !== null));
    const [from, to] = rangeFor(look.scale, low, high, min, max);
    if (above !== null) this.place.append(above);
    else if (!vector) {
      const lut = lutFor(look.scale, look.theme, look.gamma);
      const map = Math.min(MAP, side() - 100);
      this.place.append(
        h("div", { class: "map-and-field" },
          enlargedView({ layer, unit, values, height, width, range: [from, to], lut, side: map }, (chosen) => { this.choose(layer, chosen); }),
          h("div", { class: "field-place" }, h("p", { class: "dim" }, `This map: ${figure(min)} to ${figure(max)}.`), h("p", { class: "dim" }, `All ${channels}: ${figure(low)} to ${figure(high)}.`))),
        legendView(look, from, to, map),
        h("p", { class: "dim" }, `${shapeText(layer.shape)} (C × H × W). Activations have no physical unit; rows and columns count the map's cells from 0.`));
    }
    const explanation = h("div", { class: "explain-place" });
    if (!vector && unit.length < 3) explanation.append(h("p", { class: "prompt" }, "Choose a pixel of this map to see where its number comes from."));
    this.place.append(this.elsewhereNote(layer, channel), explanation, this.downloads(run, layer, channel, look));
    this.place.hidden = false;
    this.wanted = false;
    const next = focused === undefined ? null : this.place.querySelector<HTMLElement>(`[data-focus="${focused}"]`) ?? (focused === "map" ? this.place.querySelector<HTMLElement>('[data-focus="next"]') : null);
    (typing ?? next)?.focus({ preventScroll: true });
  }

  private viewsBar(view: InspectorView, calculates: boolean): HTMLElement {
    const offered = VIEWS.filter(([name]) => calculates || name !== "calculator");
    return h("div", { class: "panel-views", role: "group", "aria-label": "What is shown" }, ...offered.map(([name, title]) =>
      button(title, () => { this.events.view(name); }, { class: "tool", "data-view": name, "data-focus": `view-${name}`, "aria-pressed": String(name === view) })));
  }

  /** The sliding window of the map; one player a map, so that it stays where it was when a cell is explained. */
  private async windowView(shown: Shown, tensor: Tensor<Float32Array>): Promise<HTMLElement> {
    const { model, run, layer, unit, look } = shown;
    const [, height, width] = sizeOf(layer);
    const [channel = 0, y = 0, x = 0] = unit;
    const key = JSON.stringify([run.id, layer.name, channel, look, side()]);
    if (this.player?.key === key) {
      if (unit.length === 3) this.player.player.move(y * width + x);
      return this.player.player.element;
    }
    const source = model.layers.find((one) => one.name === layer.inputs[0]);
    const window = windowOf(layer);
    if (source === undefined || window === null) throw new Error(`${layer.name} has no window that could slide.`);
    const [first, input] = await Promise.all([this.api.explanation(run.id, layer.name, [channel, 0, 0]), this.tensors.get(run.id, source.name)]);
    this.player?.player.pause();
    const player = new Player({
      layer, source, channel, window, operator: operatorOf(first, layer), input: input.data,
      output: tensor.data.subarray(channel * height * width, (channel + 1) * height * width),
      extents: { input: extent(input.data), output: extent(tensor.data) }, biased: hasBias(layer, model.layers),
    }, { ...look, width: side(), choose: (chosen) => { this.choose(layer, chosen); }, moved: (row, column) => { this.windowMoved(row, column); } }, y * width + x);
    this.player = { key, player };
    return player.element;
  }

  /** The calculator of the layer; one a layer, so that what was typed stays while another look or map of it is chosen. */
  private calculatorView(layer: Layer, model: ModelDetail): HTMLElement | null {
    if (this.calculator?.layer !== layer) {
      const exercise = exerciseOf(layer, model.layers);
      this.calculator = { layer, element: exercise === null ? null : new Calculator(exercise, ownWords(layer, exercise)).element };
    }
    return this.calculator.element;
  }

  /** What is explained below is another cell than the one where the window stands. */
  private windowMoved(row: number, column: number): void {
    const unit = this.last?.unit ?? [];
    const note = this.place.querySelector<HTMLElement>(".elsewhere");
    if (note !== null) note.hidden = unit.length < 3 || (unit[1] === row && unit[2] === column);
  }

  private elsewhereNote(layer: Layer, channel: number): HTMLElement {
    const explain = button("Explain where it stands", () => {
      const at = this.player?.player.element.dataset;
      this.choose(layer, [channel, Number(at?.["row"]), Number(at?.["column"])]);
    }, { class: "tool" });
    return h("p", { class: "prompt elsewhere", hidden: true }, "The window has moved on from what is explained here. ", explain);
  }

  private choose(layer: Layer, unit: number[]): void {
    this.trail.length = 0; // a new start of the walk
    this.events.select(layer.name, unit);
  }

  private async explain(shown: Shown): Promise<void> {
    const { model, run, layer, unit, look } = shown;
    const place = this.place.querySelector(".explain-place");
    if (place === null) return;
    try {
      const explanation = await this.api.explanation(run.id, layer.name, unit);
      const walk = (to: string, next: number[]): void => {
        this.trail.push({ layer: layer.name, unit });
        this.events.select(to, next);
      };
      const where = unit.length === 3 ? `Row ${unit[1] ?? 0}, column ${unit[2] ?? 0} of map ${unit[0] ?? 0}` : `Unit ${unit[0] ?? 0}`;
      const field = fieldView(this.api.inputUrl(run.id), model.input, explanation.receptive_field);
      const beside = this.place.querySelector(".field-place");
      beside?.replaceChildren(field);
      place.replaceChildren(
        h("h3", {}, "Where this number comes from"),
        h("p", { class: "value", "data-value": explanation.value }, figure(explanation.value), h("span", { class: "dim" }, ` ${where}`)),
        explanationView(explanation, { theme: look.theme, labels: model.labels, layers: model.layers, walk }),
        ...(beside === null ? [field] : []));
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

  private downloads(run: Run, layer: Layer, channel: number, look: Look): HTMLElement {
    const map = layer.shape.length === 3 ? [h("a", { href: this.api.channelUrl(run.id, layer.name, channel), download: `${layer.name}.${channel}.png` }, "This map (PNG)")] : [];
    return h("p", { class: "downloads" },
      h("a", { href: this.api.tensorUrl(run.id, layer.name), download: `${layer.name}.npy` }, "Exact numbers (NPY)"),
      h("a", { href: this.api.mapsUrl(run.id, layer.name, look.scale), download: `${layer.name}.png` }, "All maps (PNG)"), ...map);
  }

  private fail(layer: Layer, error: unknown): void {
    const message = messageOf(error);
    this.place.replaceChildren(h("header", {}, h("h2", {}, layer.name), this.closeButton()), h("p", { class: "prompt" }, message));
    this.place.hidden = false;
  }
}

/** Whether a window moves over the layer's input to more than one place. */
export function slides(layer: Layer): boolean {
  const [, height, width] = sizeOf(layer);
  return windowOf(layer) !== null && height * width > 1;
}

const side = (): number => Math.min(SIDE, window.innerWidth - 48);
