/** The scene: plates, camera, marks and what the reader does with them, joined. Implements what the page may ask. */

import { channelOrder, type Maps } from "../data/maps";
import { meanOf } from "../data/mean";
import type { Layer, ModelDetail } from "../data/wire";
import type { Scale, Theme } from "../draw/colour";
import { drawable } from "../draw/ready";
import { between, type Camera, type Frame } from "../layout/camera";
import { focusOf, surroundings, together } from "../layout/framing";
import { blockCorners, pickNear, plateCorners, type Hit } from "../layout/pick";
import { Clock } from "./clock";
import { keyed, listen } from "./controls";
import { lighting } from "./lighting";
import { pictureOf } from "./picture";
import { MiniMap } from "./minimap";
import type { Caption } from "./captions";
import type { OutputLabel } from "./outputs";
import { Paper, type Mark, type Marks } from "./paper";
import { ABOVE, NARROW, OPENING, Pilot } from "./pilot";
import { markOf, seenFirst, unitSpot, wishesOf } from "./sight";
import type { Pose, Stage } from "./stage";
import { Spell } from "./spell";
import { Surface } from "./surface";
import { Turns } from "./turns";
import { PICTURE, World } from "./world";

export interface TheatreEvents {
  /** The pointer is over a cell (a map that is folded has no channel), or over none. */
  hover: (mark: Mark | null, folded: boolean, x: number, y: number) => void;
  click: (mark: Mark | null, folded: boolean) => void;
  /** The camera has come to rest. */
  rested: () => void;
}

export interface Look {
  scale: Scale;
  theme: Theme;
  strongestFirst: boolean;
  gamma: number;
}

const LAYER = 0.82; // of what the panels leave of the window: what a layer that is flown to fills

/** While maps follow a drawing, and so long after, frames may be coarse; then comes a sharp one. */
const LIVE = 220;
const FOLDING = 320;
const ARRIVING = 260;

export class Theatre implements Stage {
  readonly marks: Marks = { sought: null, pointed: null, hovered: null, chosen: null, rays: null, raysFrom: null, field: null };
  world: World | null = null;
  private readonly surface: Surface;
  private readonly paper: Paper;
  private readonly map: MiniMap;
  private readonly clock: Clock;
  private readonly pilot: Pilot;
  private readonly events: TheatreEvents;
  private readonly host: HTMLElement;
  private readonly maps = new Map<string, Maps>();
  private readonly means = new WeakMap<Maps, Maps>();
  private readonly captions = new Map<string, Caption>();
  private layers: readonly Layer[] = [];
  private outputs: readonly OutputLabel[] = [];
  private look: Look = { scale: "signed", theme: "dark", strongestFirst: false, gamma: 1 };
  private awaited: (() => void)[] = [];
  private readonly live = new Spell(LIVE, () => { this.clock.ask(); });
  private readonly turns = new Turns();
  private stale = true; // whether the paper shows something else than it should
  private joined = false; // names go with the plates, which stand elsewhere now or are fading

  constructor(host: HTMLElement, places: { gl: HTMLCanvasElement; paper: HTMLCanvasElement; map: { canvas: HTMLCanvasElement; name: HTMLElement } }, theme: Theme, events: TheatreEvents) {
    this.host = host;
    host.dataset["graphics"] = "starting";
    this.events = events;
    this.surface = new Surface(places.gl, theme);
    this.paper = new Paper(places.paper);
    this.clock = new Clock((moving) => { this.draw(moving); });
    this.pilot = new Pilot(this.clock, {
      corners: () => (this.world?.resting ?? []).flatMap(plateCorners), rested: events.rested, framed: () => { this.keepInView(); },
    });
    this.map = new MiniMap(places.map, (layer) => { this.point(layer); }, (point) => { this.setPose({ ...this.pilot.camera.pose, target: [...point] as [number, number, number] }, false); });
    listen(host, {
      camera: () => this.pilot.camera,
      reach: () => this.pilot.reach,
      moved: (pose) => { this.pilot.steer(pose); },
      hover: (x, y) => { this.hoverAt(x, y); },
      left: () => { this.point(null); this.events.hover(null, false, 0, 0); },
      click: (x, y, reach) => { this.clickAt(x, y, reach); },
      twice: (x, y) => { const hit = this.hitAt(x, y); if (hit !== null) this.fly(hit.plate.name); },
    });
  }

  /** Starts the browser's graphics; until then the scene is sketched. Rejects where there is no WebGL. */
  async begin(): Promise<void> {
    await this.surface.begin(() => this.pilot.camera, (state) => {
      this.host.dataset[state === "ready" ? "graphics" : "context"] = state;
      this.refresh();
    });
  }

  /** Builds a network's plates, dark until their maps come. */
  show(model: ModelDetail): void {
    this.clock.stop("arrange"); // the plates of the network before
    this.pilot.settle();
    this.world = new World(model, this.pilot.frame.width >= NARROW ? 1.2 : 0.72);
    this.layers = model.layers;
    this.maps.clear();
    Object.assign(this.marks, { sought: null, pointed: null, hovered: null, chosen: null, rays: null, raysFrom: null, field: null });
    this.captions.clear();
    for (const layer of model.layers) this.captions.set(layer.name, { name: layer.name, text: layer.shape.join(" × ") });
    this.outputs = [];
    this.paper.forget();
    delete this.host.dataset["named"];
    this.stale = true;
    this.surface.stock(this.world.names);
    this.surface.setLook(this.look.scale, this.look.gamma, this.look.theme);
    this.surface.place(this.world.plates);
    this.pilot.setPose(this.pilot.wholeView(this.pilot.camera.pose.flat ? { ...OPENING, ...ABOVE } : OPENING), false, true);
  }

  /** Names of the last layer's units; `shares`: room is kept for probabilities, also while there are none. */
  setOutputs(outputs: readonly OutputLabel[], shares: boolean): void {
    if (JSON.stringify(outputs) === JSON.stringify(this.outputs)) return;
    this.outputs = outputs;
    this.pilot.makeRoom(this.paper.heightOf(outputs, shares));
    this.stale = true;
    this.clock.ask(ARRIVING); // the maps they were computed from are on their way
  }

  /** Takes the maps of one layer; the first ones light it up, one layer after the other. */
  setMaps(name: string, maps: Maps | null): void {
    const { world } = this;
    if (world === null) return;
    if (maps === null) {
      this.maps.delete(name);
      this.surface.paint(name, null, []);
      this.clock.ask();
      return;
    }
    const first = !this.maps.has(name);
    this.maps.set(name, maps);
    if (this.look.strongestFirst) world.orders.set(name, channelOrder(maps, true));
    this.paint(name);
    this.surface.send(name);
    if (first) this.light(name);
    else this.live.begin();
    this.clock.ask(first ? 0 : ARRIVING); // new maps in place of others come layer by layer: few frames show them all
  }

  /** The picture as the network saw it, on the plate in front of a coloured input. */
  setPicture(image: ImageBitmap): void {
    if (this.world?.plate(PICTURE) === undefined) { image.close(); return; }
    this.surface.picture(PICTURE, image);
    this.light(PICTURE);
  }

  setLook(look: Look): void {
    const reordered = look.strongestFirst !== this.look.strongestFirst;
    this.look = look;
    this.surface.setLook(look.scale, look.gamma, look.theme);
    this.paper.retint();
    this.stale = true;
    if (reordered && this.world !== null) {
      this.joined = true;
      for (const [name, maps] of this.maps) {
        this.world.orders.set(name, channelOrder(maps, look.strongestFirst));
        this.paint(name);
      }
    }
    this.clock.ask();
  }

  readonly isFolded = (name: string): boolean => this.world?.folded.has(name) ?? false;
  readonly isHidden = (name: string): boolean => this.world?.hidden.has(name) ?? false;

  /** Folds layers into the mean of their maps, or opens them. */
  fold(names: readonly string[], folded: boolean): void {
    this.rearrange(names, (world, name) => { if (folded) world.folded.add(name); else world.folded.delete(name); });
  }

  hide(names: readonly string[], hidden: boolean): void {
    this.rearrange(names, (world, name) => {
      if (hidden && world.hidden.size + 1 < world.names.length) world.hidden.add(name);
      else world.hidden.delete(name);
    });
  }

  private rearrange(names: readonly string[], change: (world: World, name: string) => void): void {
    const { world } = this;
    if (world === null) return;
    for (const name of names) change(world, name);
    world.arrange();
    names.forEach((name) => { this.paint(name); });
    const { pose } = this.pilot.camera;
    const follow = this.pilot.whole ? this.pilot.wholeView(pose) : null;
    this.clock.move("arrange", FOLDING, (t) => {
      world.settle(t);
      this.surface.place(world.plates);
      this.stale = this.joined = true;
      if (follow !== null) this.pilot.aim(between(pose, follow, t));
    }, () => { this.pilot.rest(); });
  }

  /** How much of the window panels cover; the network moves into what is left. */
  setFrame(frame: Frame): void {
    this.surface.resize(frame.width, frame.height);
    this.pilot.setFrame(frame);
    if (this.surface.started && this.surface.changed(this.pilot.camera)) this.refresh(); // as many pixels of the page may be more of the screen
  }

  /** To a layer or a map of it, so that the layers `beside` it are seen too where there is room. */
  fly(layer: string, channel?: number, beside: readonly string[] = []): void {
    const { world } = this;
    const plate = world?.target(layer);
    if (world === null || plate === undefined) return;
    this.marks.sought = layer;
    if (channel !== undefined) {
      this.pilot.fly(blockCorners(plate, { slot: world.slotOf(layer, channel), row: 0, column: 0 }, plate.height, plate.width), 0.42);
      return;
    }
    const { chosen } = this.marks;
    const slot = chosen?.layer === layer ? world.slotOf(layer, chosen.channel) : 0;
    const { camera: { pose }, frame } = this.pilot;
    const near = beside.flatMap((name) => world.target(name) ?? []);
    this.pilot.fly(together(focusOf(plate, pose, frame, LAYER, slot), near, plate, pose, frame, LAYER), LAYER);
  }

  overview(): void {
    this.marks.sought = null;
    this.pilot.overview();
  }

  emphasise(layers: readonly string[]): void {
    const world = this.world;
    if (world === null) return;
    const changes = world.names.map((name) => ({ name, from: this.surface.strength(name), to: layers.length === 0 || layers.includes(name) ? 1 : 0.16 }));
    this.clock.move("emphasis", 300, (t) => {
      for (const { name, from, to } of changes) this.surface.fade(name, from + (to - from) * t);
      this.stale = this.joined = true;
    });
  }

  /** Whether the camera shows the whole network. */
  get whole(): boolean {
    return this.pilot.whole;
  }

  pose(): Pose {
    const { pose } = this.pilot.camera;
    return { ...pose, target: [...pose.target] };
  }

  setPose(pose: Pose, animate: boolean): void {
    this.pilot.setPose(pose, animate);
  }

  /** The same scene flat from above, or in perspective as it was before. */
  setFlat(flat: boolean): void {
    this.pilot.setFlat(flat);
  }

  picture(): Promise<Blob> {
    this.draw(false, true);
    return pictureOf(this.host, [this.surface.element, this.paper.element]); // drawn in this same task, so the pixels are still there
  }

  /** Moves by a key; false where the key means nothing here. */
  key(key: string): boolean {
    const pose = keyed(this.pilot.camera, key, this.pilot.reach);
    if (pose !== null) this.pilot.steer(pose);
    return pose !== null;
  }

  /** Where a unit is seen now, in CSS pixels of the window; null where it is not. */
  screenOf(layer: string, unit: readonly number[]): { x: number; y: number } | null {
    return this.inPage(this.world === null ? null : unitSpot(this.world, this.pilot.camera, layer, unit));
  }

  /** Where the middle of a layer's plate is seen now. */
  centreOf(layer: string): { x: number; y: number } | null {
    const plate = this.world?.plate(layer);
    return this.inPage(plate === undefined ? null : this.pilot.camera.project([plate.x, plate.y, plate.z]));
  }

  private inPage(spot: readonly [number, number, number] | null): { x: number; y: number } | null {
    const box = this.host.getBoundingClientRect();
    return spot === null ? null : { x: spot[0] + box.left, y: spot[1] + box.top };
  }

  /** Marks the unit in the panel, or none; another one than before is brought into view. */
  choose(mark: Mark | null): void {
    const before = this.marks.chosen;
    this.marks.chosen = mark;
    if (mark !== null && (before?.layer !== mark.layer || before.channel !== mark.channel)) this.keepInView();
  }

  /** Redraws with other marks. */
  refresh(): void {
    this.stale = true;
    this.clock.ask();
  }

  /** Marks a layer that is pointed at elsewhere, by its name; none with null. */
  point(layer: string | null): void {
    if (layer === this.marks.pointed) return;
    this.marks.pointed = layer;
    this.refresh();
  }

  /** After the next frame has been drawn. */
  painted(): Promise<void> {
    return new Promise((resolve) => {
      this.awaited.push(resolve);
      this.clock.ask();
    });
  }

  /** Layers in the order in which their maps are wanted: those in view first. */
  inView(): Layer[] {
    return this.world === null ? [...this.layers] : seenFirst(this.layers, this.world, this.pilot.camera);
  }

  /** Pixels that one map of each layer in view takes on the screen; nearest to the middle first. */
  wishes(): { layer: Layer; tile: number }[] {
    return this.world === null ? [] : wishesOf(this.layers, this.world, this.pilot.camera, Math.min(window.devicePixelRatio, 2));
  }

  private paint(name: string): void {
    const { world } = this;
    const maps = this.maps.get(name);
    if (world === null || maps === undefined) return;
    if (!world.folded.has(name)) {
      this.surface.paint(name, maps, world.orders.get(name) ?? []);
      return;
    }
    const mean = this.means.get(maps) ?? meanOf(maps);
    this.means.set(maps, mean);
    this.surface.paint(name, mean, [0]);
  }

  private light(name: string): void {
    if (this.surface.lit(name) > 0) return;
    const { duration, at } = lighting(this.layers.findIndex((layer) => layer.name === name), this.layers.length);
    this.clock.move(`light ${name}`, duration, (t) => { this.surface.light(name, at(t)); }, undefined, false);
  }

  /** Brings the chosen unit's map out from under a panel, or into the window. */
  private keepInView(): void {
    const { chosen } = this.marks;
    const plate = chosen === null ? undefined : this.world?.target(chosen.layer);
    if (chosen === null || this.world === null || plate === undefined) return;
    this.pilot.bring(surroundings(plate, this.world.slotOf(chosen.layer, chosen.channel), chosen.row, chosen.column, this.pilot.camera));
  }

  private hitAt(x: number, y: number, reach = 0): Hit | null {
    return this.world === null ? null : pickNear(this.world.plates, this.pilot.camera, x, y, reach);
  }

  private hoverAt(x: number, y: number): void {
    const hit = this.hitAt(x, y);
    const found = markOf(this.world, hit);
    this.point(hit?.plate.name ?? null);
    this.events.hover(found?.mark ?? null, found?.folded ?? false, x, y);
  }

  private clickAt(x: number, y: number, reach: number): void {
    const found = markOf(this.world, this.hitAt(x, y, reach));
    this.events.click(found?.mark ?? null, found?.folded ?? false);
  }

  private draw(moving: boolean, sharp = false): void {
    const { world, pilot: { camera } } = this;
    if (world === null) return;
    const steered = this.clock.moves("hand") || this.clock.moves("camera");
    const detail = this.surface.settle(!sharp && (moving || this.live.on), Math.max(this.clock.lastFrame, this.live.on ? this.clock.waited : 0));
    const settled = sharp || !(steered || this.clock.moves("frame") || this.clock.moves("arrange"));
    const { behind } = this.surface; // names wait for the maps of a sketch, or go where its plates have moved
    const shows = this.paper.shows(camera, settled, detail);
    const late = this.stale && !(this.live.on && this.paper.age < LIVE); // a pen changes probabilities faster than they can be read
    const turn = this.turns.next({
      names: !behind && drawable() && (late || !shows),
      plates: sharp || detail < 1 || this.surface.changed(camera),
      apart: settled && detail === 1 && !sharp && !this.joined && (this.surface.started ? shows : this.paper.blank),
    });
    if (turn.names) this.ink(world, camera, settled, detail);
    this.paper.apart = detail === 1 && !this.paper.blank && (!behind || this.paper.shows(camera, settled, detail));
    const complete = (!turn.plates || this.surface.draw(camera, detail < 1 ? this.paper : null)) && !behind && turn.all;
    const { hovered, chosen, sought, pointed } = this.marks;
    if (this.surface.started && (!(moving || this.live.on) || this.clock.frames % 4 === 0)) this.map.draw(world.plates, camera, this.pilot.whole, hovered?.layer ?? pointed ?? chosen?.layer ?? sought ?? undefined);
    Object.assign(this.host.dataset, { drawCalls: String(this.surface.drawCalls), frames: String(this.clock.frames), moving: String(moving) });
    if (!complete) this.clock.ask();
    else for (const resolve of this.awaited.splice(0)) resolve();
  }

  private ink(world: World, camera: Camera, settled: boolean, detail: number): void {
    this.paper.draw(world, camera, this.marks, this.captions, this.outputs, (name) => this.surface.strength(name), settled, detail);
    this.stale = this.joined = false;
    if (settled) Object.assign(this.host.dataset, { named: this.paper.named.join(","), captioned: this.paper.captioned.join(" ") });
  }
}
