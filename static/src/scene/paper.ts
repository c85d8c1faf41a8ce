/** What is drawn over the plates on a 2D canvas: names, edges of the graph, marks, lines to the sources. */

import type { Camera } from "../layout/camera";
import type { Box } from "../layout/labels";
import { blockCentre, blockCorners, plateCorners, type Cell } from "../layout/pick";
import type { Vec } from "../layout/plates";
import { Captions, type Caption } from "./captions";
import { inkOf, type Ink } from "./ink";
import { drawOutputs, heightOf, type OutputLabel } from "./outputs";
import type { Rays } from "./rays";
import type { World } from "./world";

export interface Mark {
  layer: string;
  channel: number;
  row: number;
  column: number;
}

/** What the paper shows besides the network itself. */
export interface Marks {
  sought: string | null; // the layer that was flown to
  pointed: string | null; // the layer that is pointed at: in the scene, in the list or in the mini-map
  hovered: Mark | null;
  chosen: Mark | null;
  rays: Rays | null;
  raysFrom: Mark | null;
  field: { top: number; left: number; height: number; width: number } | null; // receptive field, input pixels
}

/** A canvas with what was written on it, and where it lies: left, bottom, right, top of the window, from -1 to 1. */
export interface Written {
  element: HTMLCanvasElement;
  version: number;
  place: readonly [number, number, number, number];
}

export class Paper implements Written {
  readonly element: HTMLCanvasElement;
  /** Changes with every drawing. */
  version = 0;
  place: Written["place"] = [-1, -1, 1, 1];
  private readonly context: CanvasRenderingContext2D;
  /** Units of the last layer that are named now. */
  named: number[] = [];
  private readonly names = new Captions();
  private written: { camera: Camera; settled: boolean; detail: number; at: number } | null = null;
  private inks: Ink | null = null;

  constructor(element: HTMLCanvasElement) {
    const context = element.getContext("2d", { willReadFrequently: true });
    if (context === null) throw new Error("This browser gives no 2D canvas, on which the names are drawn.");
    this.element = element;
    this.context = context;
  }

  /** Read when it is needed: before the page has been laid out, asking for it would lay it out. */
  private get ink(): Ink {
    this.inks ??= inkOf(this.element);
    return this.inks;
  }

  retint(): void {
    this.inks = null;
  }

  /** Layers whose names are written now. */
  get captioned(): readonly string[] {
    return this.names.written;
  }

  /** Another network. */
  forget(): void {
    this.names.forget();
    this.written = null;
  }

  /** How far the names of the output units reach up behind the last layer, in pixels; `shares`: with probabilities. */
  heightOf(outputs: readonly OutputLabel[], shares: boolean): number {
    return heightOf(this.context, this.ink, outputs, shares);
  }

  /** Whether the browser lays it over the scene, at the screen's resolution; else the scene does. */
  set apart(apart: boolean) {
    this.element.style.visibility = apart ? "" : "hidden";
  }

  /** Whether it was written last as seen from there, as settled and in as much detail. */
  shows(camera: Camera, settled: boolean, detail: number): boolean {
    return this.written?.camera === camera && this.written.settled === settled && this.written.detail === detail;
  }

  /** Whether nothing has been written for this network. */
  get blank(): boolean {
    return this.written === null;
  }

  /** Milliseconds since it was written. */
  get age(): number {
    return this.written === null ? Infinity : performance.now() - this.written.at;
  }

  /** `settled`: the names are placed anew; else they keep their sides, as while the camera moves. `detail`: the share of
   * the screen's resolution.
   */
  draw(world: World, camera: Camera, marks: Marks, captions: ReadonlyMap<string, Caption>, outputs: readonly OutputLabel[], strength: (name: string) => number, settled: boolean, detail: number): void {
    const { context: c, element } = this;
    const ratio = Math.min(window.devicePixelRatio, 2) * detail;
    const { frame } = camera;
    // what moves is drawn where no panel stands: fewer pixels go to the screen with every frame
    const [left, top, right, bottom] = settled ? [0, 0, frame.width, frame.height] : [frame.left, frame.top, frame.width - frame.right, frame.height - frame.bottom];
    const [width, height] = [Math.max(Math.round((right - left) * ratio), 1), Math.max(Math.round((bottom - top) * ratio), 1)];
    if (element.width !== width || element.height !== height) [element.width, element.height] = [width, height];
    Object.assign(element.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
    this.place = [(2 * left) / frame.width - 1, 1 - (2 * bottom) / frame.height, (2 * right) / frame.width - 1, 1 - (2 * top) / frame.height];
    this.version += 1;
    this.written = { camera, settled, detail, at: performance.now() };
    c.setTransform(ratio, 0, 0, ratio, -left * ratio, -top * ratio);
    c.clearRect(left, top, right - left, bottom - top);
    c.lineJoin = "round";
    this.links(world, camera, strength);
    const taken: Box[] = [];
    this.named = drawOutputs(c, this.ink, world, camera, outputs, taken);
    this.names.draw(c, this.ink, world, camera, captions, [marks.hovered?.layer, marks.chosen?.layer, marks.sought, marks.pointed], strength, taken, settled);
    if (marks.sought !== null) this.outline(world, camera, marks.sought);
    if (marks.field !== null) this.field(world, camera, marks.field);
    if (marks.rays !== null && marks.raysFrom !== null) this.rays(world, camera, marks.rays, marks.raysFrom);
    if (marks.chosen !== null) this.mark(world, camera, marks.chosen, this.ink.accent);
    if (marks.hovered !== null) this.mark(world, camera, marks.hovered, this.ink.text);
  }

  private path(camera: Camera, points: readonly Vec[], closed = false): boolean {
    const { context: c } = this;
    c.beginPath();
    for (const [index, point] of points.entries()) {
      const at = camera.project(point);
      if (at === null) return false;
      if (index === 0) c.moveTo(at[0], at[1]);
      else c.lineTo(at[0], at[1]);
    }
    if (closed) c.closePath();
    return true;
  }

  /** A hairline around the layer that was flown to, among many alike. */
  private outline(world: World, camera: Camera, layer: string): void {
    const plate = world.plate(layer);
    if (plate === undefined || !this.path(camera, plateCorners(plate), true)) return;
    this.context.strokeStyle = this.ink.accent;
    this.context.lineWidth = 1.5;
    this.context.stroke();
  }

  private links(world: World, camera: Camera, strength: (name: string) => number): void {
    const { context: c, ink } = this;
    for (const link of world.links) {
      c.globalAlpha = (link.shortcut ? 0.8 : 0.5) * Math.min(strength(link.from), strength(link.to));
      c.strokeStyle = link.shortcut ? ink.accent : ink.line;
      c.lineWidth = link.shortcut ? 1.4 : 1.2;
      if (this.path(camera, link.points)) c.stroke();
    }
    c.globalAlpha = 1;
  }

  private mark(world: World, camera: Camera, mark: Mark, colour: string): void {
    const { context: c, ink } = this;
    const plate = world.plate(mark.layer);
    if (plate === undefined) return;
    const cell: Cell = { slot: world.slotOf(mark.layer, mark.channel), row: mark.row, column: mark.column };
    // the map as a whole in a hairline, its cell in a stronger frame
    c.strokeStyle = colour;
    c.lineWidth = 1;
    c.globalAlpha = 0.7;
    if (this.path(camera, blockCorners(plate, { ...cell, row: 0, column: 0 }, plate.height, plate.width), true)) c.stroke();
    c.globalAlpha = 1;
    if (!this.path(camera, blockCorners(plate, cell), true)) return;
    c.strokeStyle = ink.halo;
    c.lineWidth = 4;
    c.stroke();
    c.strokeStyle = colour;
    c.lineWidth = 2;
    c.stroke();
    const at = camera.project(blockCentre(plate, cell));
    if (at === null) return;
    c.beginPath();
    c.arc(at[0], at[1], 2.5, 0, 2 * Math.PI);
    c.fillStyle = colour;
    c.fill();
  }

  private rays(world: World, camera: Camera, rays: Rays, from: Mark): void {
    const { context: c, ink } = this;
    const plate = world.plate(from.layer);
    const start = plate === undefined ? null : camera.project(blockCentre(plate, { slot: world.slotOf(from.layer, from.channel), row: from.row, column: from.column }));
    if (start === null) return;
    c.lineWidth = 1;
    for (const one of rays.windows) {
      const source = world.plate(one.layer);
      if (source === undefined) continue;
      const corners = blockCorners(source, { slot: world.slotOf(one.layer, one.channel), row: one.top, column: one.left }, one.height, one.width);
      c.strokeStyle = ink.text;
      c.globalAlpha = 0.55;
      if (this.path(camera, corners, true)) c.stroke();
    }
    for (const line of rays.lines) {
      const source = world.plate(line.layer);
      if (source === undefined) continue;
      const [channel, row, column] = line.unit;
      const end = camera.project(blockCentre(source, { slot: world.slotOf(line.layer, channel), row, column }));
      if (end === null) continue;
      c.globalAlpha = line.winner ? 1 : 0.1 + 0.85 * line.share ** 0.8;
      c.lineWidth = line.winner ? 2.4 : 0.7 + 1.6 * line.share;
      c.strokeStyle = line.winner ? ink.accent : line.amount < 0 ? ink.negative : ink.positive;
      c.beginPath();
      c.moveTo(start[0], start[1]);
      c.lineTo(end[0], end[1]);
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  private field(world: World, camera: Camera, field: NonNullable<Marks["field"]>): void {
    const { context: c, ink } = this;
    const plate = world.ground;
    if (plate === undefined) return;
    if (!this.path(camera, blockCorners(plate, { slot: 0, row: field.top, column: field.left }, field.height, field.width), true)) return;
    c.globalAlpha = 0.12;
    c.fillStyle = ink.accent;
    c.fill();
    c.globalAlpha = 1;
    c.strokeStyle = ink.halo;
    c.lineWidth = 4;
    c.stroke();
    c.strokeStyle = ink.accent;
    c.lineWidth = 1.8;
    c.stroke();
  }
}
