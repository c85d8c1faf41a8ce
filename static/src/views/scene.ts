/** The scene on the page: canvas, layers beside it, the number under the pointer, and which part of the window is free.
 *
 * Where the browser gives no WebGL there is no theatre any more, and the page shows the list of the same layers instead.
 */

import { breathe, button, byId, h } from "../dom";
import type { Api } from "../data/api";
import type { Maps } from "../data/maps";
import { canRun } from "../data/weights";
import type { Layer, ModelDetail, Run, WeightsInfo } from "../data/wire";
import { percent } from "../data/number";
import { whenStarted } from "../draw/ready";
import { NARROW } from "../scene/pilot";
import { Missing } from "../scene/surface";
import { Theatre, type Look } from "../scene/theatre";
import type { Mark } from "../scene/paper";
import { saveFile } from "./file";
import { Reading, unitOf } from "./reading";
import { listenForSheets, openSheet } from "./sheets";
import { Shelf } from "./shelf";

/** Stands in a link for all layers. */
const ALL = "*";

export type View = "scene" | "flat" | "list";

export interface SceneEvents {
  select: (layer: string, unit: number[]) => void;
  empty: () => void; // a click beside every map: no panel is wanted
  rested: () => void;
  hovered: (layer: string | undefined) => void;
  view: (view: View) => void;
  failed: (why: string) => void; // there will be no scene
  arranged: (layers: { folded: string[]; hidden: string[] }) => void; // as a link has it
}

export class SceneView {
  /** None where the browser gives no WebGL. */
  theatre: Theatre | null;
  private readonly host = byId("scene");
  private readonly reading: Reading;
  private readonly shelf: Shelf;
  private readonly switches = new Map<View, HTMLButtonElement>();
  private readonly events: SceneEvents;
  private readonly api: Api;
  private layers: readonly Layer[] = [];

  constructor(api: Api, look: Look, events: SceneEvents) {
    this.events = events;
    this.api = api;
    this.theatre = this.build(look, events);
    this.reading = new Reading(byId("reading"), api, this.theatre, events.hovered);
    this.theatre.setLook(look);
    this.shelf = new Shelf(byId("shelf"), {
      fly: (layer) => { this.fly(layer); },
      point: (layer) => { this.theatre?.point(layer); },
      fold: (layers, folded) => {
        this.fold(layers, folded);
        if (layers.length > 1) this.theatre?.overview(); // the whole tower has another height
      },
      hide: (layers, hidden) => { this.hide(layers, hidden); },
    });
    this.addControls(events);
    const measure = (): void => { this.measure(); };
    const observer = new ResizeObserver(measure);
    for (const id of ["scene", "side", "shelf", "inspector", "bar", "strip", "notices"]) observer.observe(byId(id));
    window.addEventListener("resize", measure);
  }

  async show(model: ModelDetail): Promise<void> {
    this.layers = model.layers;
    delete this.host.dataset["at"];
    this.measure();
    this.theatre?.show(model);
    await breathe();
    if (this.layers === model.layers) this.shelf.show(model); // else the reader has gone on to another network
  }

  setRun(model: ModelDetail, weights: WeightsInfo, run: Run | null): void {
    this.reading.setRun(model, run, canRun(weights));
    const best = run?.predictions[0]?.index;
    const known = new Map(run?.predictions.map((one) => [one.index, one.probability]));
    this.theatre?.setOutputs(model.labels.map((text, index) => {
      const probability = known.get(index);
      return { text, share: weights.trained && probability !== undefined && (index === best || probability > 0.01) ? percent(probability) : "", first: weights.trained && index === best };
    }), weights.trained);
  }

  setMaps(name: string, maps: Maps | null): void {
    this.theatre?.setMaps(name, maps);
    this.shelf.setMaps(name, maps);
  }

  /** Loads the picture as the network saw it onto its plate. */
  async setPicture(run: string): Promise<void> {
    const { layers } = this;
    const image = await this.api.input(run);
    if (layers === this.layers) this.theatre?.setPicture(image);
    else image.close(); // the reader has gone on to another network
  }

  /** Marks the unit in the panel, a map of it, or none. */
  choose(layer: Layer | undefined, unit: readonly number[]): void {
    const whole = layer !== undefined && unit.length === layer.shape.length;
    this.reading.choose(whole ? { layer: layer.name, channel: unit[0] ?? 0, row: unit[1] ?? 0, column: unit[2] ?? 0 } : null);
    if (layer !== undefined && this.theatre?.isFolded(layer.name) === true) this.fold([layer.name], false);
    this.shelf.mark(layer?.name);
  }

  fold(layers: readonly string[], folded: boolean): void {
    this.theatre?.fold(layers, folded);
    this.shelve();
  }

  private hide(layers: readonly string[], hidden: boolean): void {
    this.theatre?.hide(layers, hidden);
    this.shelve();
  }

  /** As a link has it: layers that this network does not have are left out. */
  arrange(folded: readonly string[], hidden: readonly string[]): void {
    const known = (names: readonly string[]): string[] => this.layers.map((layer) => layer.name).filter((name) => names.includes(name) || names.includes(ALL));
    if (known(folded).length > 0) this.theatre?.fold(known(folded), true);
    if (known(hidden).length > 0) this.theatre?.hide(known(hidden), true);
    this.shelve();
  }

  /** What a single key means here; false where nothing. */
  key(key: string): boolean {
    if (this.theatre === null) return false;
    switch (key) {
      case "o": this.theatre.overview(); return true;
      case "f": return this.toggle("fold");
      case "h": return this.toggle("hide");
      case "[": this.step(-1); return true;
      case "]": this.step(1); return true;
      case "p": void this.save(); return true;
      case "Enter": return this.enter();
      default: return this.theatre.key(key);
    }
  }

  /** Opens the layer that was flown to, at its first map. */
  private enter(): boolean {
    const layer = this.layers.find((one) => one.name === this.host.dataset["at"]);
    if (layer === undefined || document.activeElement?.matches("button, a, summary") === true) return false;
    this.events.select(layer.name, [0]);
    return true;
  }

  /** Folds or opens, hides or shows the layer under the pointer or in the panel; true if there is one. */
  private toggle(what: "fold" | "hide"): boolean {
    const layer = this.marked;
    if (layer === undefined || this.theatre === null) return false;
    if (what === "fold") this.fold([layer], !this.theatre.isFolded(layer));
    else this.hide([layer], true);
    return true;
  }

  /** Flies to the layer before or after the one that was flown to, hovered or chosen. */
  private step(by: number): void {
    const names = this.layers.map((layer) => layer.name);
    const at = names.indexOf(this.host.dataset["at"] ?? this.marked ?? "");
    const next = names[Math.min(Math.max(at + by, 0), names.length - 1)];
    if (next !== undefined) this.fly(next);
  }

  private fly(layer: string): void {
    this.host.dataset["at"] = layer;
    this.theatre?.fly(layer);
    this.shelf.mark(layer);
  }

  focusFind(): void {
    this.events.empty(); // the panel stands where the field does
    openSheet("shelf");
    this.shelf.focusFind();
  }

  setView(view: View): void {
    for (const [name, one] of this.switches) one.setAttribute("aria-pressed", String(name === view));
    document.body.dataset["view"] = view === "list" ? "list" : "scene";
    byId("layers").hidden = view !== "list";
    this.host.hidden = view === "list";
    if (view !== "list") this.theatre?.setFlat(view === "flat");
    this.measure();
  }

  private get marked(): string | undefined {
    const marks = this.theatre?.marks;
    return marks?.hovered?.layer ?? (byId("reading").hidden ? undefined : byId("reading").dataset["layer"]) ?? marks?.chosen?.layer ?? this.host.dataset["at"];
  }

  /** Starts the browser's graphics: until then the scene is a sketch, and without them a list. */
  async begin(): Promise<void> {
    try {
      await this.theatre?.begin();
    } catch (error) {
      console.warn("No scene:", error);
      this.theatre = null;
      this.host.dataset["graphics"] = "none";
      for (const canvas of this.host.querySelectorAll("canvas")) canvas.remove();
      for (const [view, one] of this.switches) one.disabled = view !== "list";
      this.events.failed(error instanceof Missing ? error.message : "This browser gives no WebGL, which the scene is drawn with");
    }
  }

  private build(look: Look, events: SceneEvents): Theatre {
    const places = { gl: h("canvas", { class: "gl" }), paper: h("canvas", { class: "paper" }), map: { canvas: h("canvas", { class: "minimap", hidden: true, "aria-hidden": "true" }), name: h("span", { class: "minimap-name", hidden: true, "aria-hidden": "true" }) } };
    this.host.append(places.gl, places.paper);
    byId("corner").prepend(places.map.name, places.map.canvas);
    return new Theatre(this.host, places, look.theme, {
      hover: (mark, folded, x, y) => { this.reading.hover(mark, folded, x, y); },
      click: (mark, folded) => { this.click(mark, folded, events); },
      rested: events.rested,
    });
  }

  private click(mark: Mark | null, folded: boolean, events: SceneEvents): void {
    const layer = this.layers.find((one) => one.name === mark?.layer);
    if (mark === null || layer === undefined) events.empty();
    else if (folded) this.fold([layer.name], false);
    else {
      this.reading.hover(null, false, 0, 0); // the scene makes room for the panel, away from under the pointer
      events.select(layer.name, unitOf(layer, mark));
    }
  }

  private addControls(events: SceneEvents): void {
    const views = byId("views");
    for (const [view, label, title] of [["scene", "3D", "Walk through the network"], ["flat", "2D", "The same scene, flat"], ["list", "List", "The layers as a list, for keyboard and screen reader"]] as const) {
      const one = button(label, () => { events.view(view); }, { "aria-pressed": "false", title, "data-view": view });
      this.switches.set(view, one);
      views.append(one);
    }
    byId("corner").append(h("div", { class: "corner-tools" },
      button("Whole network", () => { this.theatre?.overview(); }, { class: "tool", "aria-keyshortcuts": "O" }),
      button("PNG", () => { void this.save(); }, { class: "tool save-view", title: "This view as a PNG", "aria-keyshortcuts": "P" })));
    listenForSheets(() => { this.measure(); });
  }

  /** Saves the view as a file, once there is more of it than a sketch. */
  async save(): Promise<void> {
    await new Promise<void>(whenStarted);
    if (this.theatre === null) return;
    saveFile(await this.theatre.picture(), "convscope.png");
  }

  private shelve(): void {
    this.shelf.setState((name) => this.theatre?.isFolded(name) ?? false, (name) => this.theatre?.isHidden(name) ?? false);
    const those = (are: (name: string) => boolean): string[] => {
      const found = this.layers.map((layer) => layer.name).filter(are);
      return found.length === this.layers.length ? [ALL] : found;
    };
    this.events.arranged({ folded: those((name) => this.theatre?.isFolded(name) ?? false), hidden: those((name) => this.theatre?.isHidden(name) ?? false) });
  }

  /** Tells the theatre which part of the window no panel covers. */
  private measure(): void {
    const box = this.host.getBoundingClientRect();
    if (this.theatre === null || box.width === 0) return;
    const covered = (id: string): DOMRect | null => {
      const element = byId(id);
      const rect = element.getBoundingClientRect();
      return rect.width > 0 && rect.height > 0 && getComputedStyle(element).visibility !== "hidden" ? rect : null;
    };
    const [bar, side, shelf, panel] = [covered("bar"), covered("side"), covered("shelf"), covered("inspector")];
    const narrow = box.width < NARROW;
    const strip = covered("strip");
    const tops = [side, shelf, panel].flatMap((one) => (one === null ? [] : [one.top]));
    this.theatre.setFrame({
      width: box.width, height: box.height,
      top: Math.max(bar?.bottom ?? box.top, narrow ? strip?.bottom ?? 0 : 0) - box.top,
      left: narrow ? 0 : Math.max((side?.right ?? box.left) - box.left, 0),
      right: narrow ? 0 : Math.max(...[shelf, panel].map((one) => (one === null ? 0 : box.right - one.left)), 0),
      bottom: narrow ? Math.max(...tops.map((top) => box.bottom - top), 56) : box.bottom - (strip?.top ?? box.bottom),
    });
  }
}
