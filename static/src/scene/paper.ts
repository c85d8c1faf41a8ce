/** What is drawn over the plates on a 2D canvas: names, edges of the graph, marks, lines to the sources. */

import type { Camera } from "../layout/camera";
import { blockCentre, blockCorners, plateCorners, type Cell } from "../layout/pick";
import type { Plate, Vec } from "../layout/plates";
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
  hovered: Mark | null;
  chosen: Mark | null;
  rays: Rays | null;
  raysFrom: Mark | null;
  field: { top: number; left: number; height: number; width: number } | null; // receptive field, input pixels
}

export interface Caption {
  name: string; // of the layer
  text: string;
}

/** Name and probability of an output unit; the likeliest is set apart. */
export interface OutputLabel {
  text: string;
  share: string;
  first: boolean;
}

/** Names set aslant keep this far from each other along the row, in pixels: their lines are 12 high. */
const ASLANT = 17;

interface Ink {
  text: string;
  dim: string;
  line: string;
  accent: string;
  positive: string;
  negative: string;
  halo: string;
  sans: string;
}

type Box = readonly [left: number, top: number, right: number, bottom: number];

interface Band {
  plate: Plate;
  left: readonly [number, number];
  right: readonly [number, number];
  half: number; // of its height
}

export class Paper {
  readonly element: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private ink: Ink;
  private bands: Band[] = [];

  constructor(element: HTMLCanvasElement) {
    const context = element.getContext("2d", { willReadFrequently: true });
    if (context === null) throw new Error("This browser gives no 2D canvas, on which the names are drawn.");
    this.element = element;
    this.context = context;
    this.ink = inkOf(element);
  }

  retint(): void {
    this.ink = inkOf(this.element);
  }

  draw(world: World, camera: Camera, marks: Marks, captions: ReadonlyMap<string, Caption>, outputs: readonly OutputLabel[], strength: (name: string) => number): void {
    const { context: c, element } = this;
    const ratio = Math.min(window.devicePixelRatio, 2);
    const [width, height] = [Math.round(camera.frame.width * ratio), Math.round(camera.frame.height * ratio)];
    if (element.width !== width || element.height !== height) [element.width, element.height] = [width, height];
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, camera.frame.width, camera.frame.height);
    c.lineJoin = "round";
    this.links(world, camera, strength);
    const taken: Box[] = [];
    this.outputs(world, camera, outputs, taken);
    this.captions(world, camera, captions, marks, strength, taken);
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

  private captions(world: World, camera: Camera, captions: ReadonlyMap<string, Caption>, marks: Marks, strength: (name: string) => number, taken: Box[]): void {
    const { context: c, ink } = this;
    const first = [marks.hovered?.layer, marks.chosen?.layer, marks.sought];
    const order = world.plates.toSorted((a, b) => Number(first.includes(b.name)) - Number(first.includes(a.name)) || b.wide * b.deep - a.wide * a.deep);
    this.bands = world.plates.map((plate) => bandOf(camera, plate));
    c.textBaseline = "middle";
    for (const plate of order) {
      const caption = captions.get(plate.name);
      if (caption === undefined) continue;
      const named = first.includes(plate.name);
      c.font = `600 12px ${ink.sans}`;
      const name = c.measureText(caption.name).width;
      c.font = `400 11px ${ink.sans}`;
      const text = c.measureText(caption.text).width + 8;
      const spot = this.spotFor(plate, camera, name + text, taken, named);
      if (spot === null) continue;
      taken.push([spot[0] - 4, spot[1] - 8, spot[0] + name + text + 4, spot[1] + 8]);
      c.globalAlpha = Math.max(strength(plate.name), 0.35);
      this.write(caption.name, spot[0], spot[1], `600 12px ${ink.sans}`, named ? ink.accent : ink.text);
      this.write(caption.text, spot[0] + name + 8, spot[1], `400 11px ${ink.sans}`, ink.dim);
    }
    c.globalAlpha = 1;
  }

  /** Left of the plate, right of it, or below its near edge: the first place that is free and in the window. */
  private spotFor(plate: Plate, camera: Camera, width: number, taken: readonly Box[], wanted: boolean): [number, number] | null {
    const side = camera.project([plate.x - plate.wide / 2, plate.y, plate.z]);
    const other = camera.project([plate.x + plate.wide / 2, plate.y, plate.z]);
    const near = camera.project([plate.x - plate.wide / 2, plate.y, plate.z + plate.deep / 2]);
    if (side === null || near === null || other === null) return null;
    const { frame } = camera;
    const large = Math.hypot(other[0] - side[0], other[1] - side[1]) > 1.4 * width && Math.abs(near[1] - side[1]) > 16;
    const spots: [number, number][] = [[side[0] - width - 10, side[1]], [other[0] + 10, other[1]]];
    if (large || wanted) spots.push([near[0] + 2, near[1] + 9]);
    for (const [x, y] of spots) {
      const box: Box = [x - 4, y - 8, x + width + 4, y + 8];
      const outside = box[0] < frame.left || box[2] > frame.width - frame.right || box[1] < frame.top || box[3] > frame.height - frame.bottom;
      const covers = !wanted && this.covered(box, plate);
      if (!outside && !covers && !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) return [x, y];
    }
    return wanted ? (spots[2] ?? null) : null;
  }

  /** Whether a name would stand on the tiles of another plate. */
  private covered(box: Box, own: Plate): boolean {
    const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    return this.bands.some(({ plate, left, right, half }) => {
      if (plate === own || box[2] < left[0] - 4 || box[0] > right[0] + 4) return false;
      const share = Math.min(Math.max((x - left[0]) / Math.max(right[0] - left[0], 1), 0), 1);
      return Math.abs(y - (left[1] + share * (right[1] - left[1]))) < half + 5;
    });
  }

  private write(text: string, x: number, y: number, font: string, colour: string): void {
    const { context: c, ink } = this;
    c.font = font;
    c.lineWidth = 3;
    c.strokeStyle = ink.halo;
    c.strokeText(text, x, y);
    c.fillStyle = colour;
    c.fillText(text, x, y);
  }

  /** Names of the last layer's units behind their cells, aslant where they would run into each other. */
  private outputs(world: World, camera: Camera, outputs: readonly OutputLabel[], taken: Box[]): void {
    const { context: c, ink } = this;
    const plate = world.plates.at(-1);
    if (plate === undefined || plate.folded || outputs.length !== plate.count || outputs.length === 0) return;
    const spots = outputs.map((_, unit) => camera.project([blockCentre(plate, { slot: world.slotOf(plate.name, unit), row: 0, column: 0 })[0], plate.y, plate.z - plate.deep / 2]));
    const [a, b] = [spots[0], spots[1] ?? null];
    if (a === null || a === undefined) return;
    const space = b === null ? 100 : Math.hypot(b[0] - a[0], b[1] - a[1]);
    c.font = `500 12px ${ink.sans}`;
    const level = Math.max(...outputs.map(({ text, share }) => Math.max(c.measureText(text).width, c.measureText(share).width))) + 6 < space;
    // where all would run into each other even aslant: every so many, and the likeliest in any case
    const every = level ? 1 : Math.max(1, Math.ceil(ASLANT / Math.max(space, 0.1)));
    const best = outputs.findIndex((one) => one.first);
    c.textBaseline = "middle";
    outputs.forEach(({ text, share, first }, unit) => {
      const spot = spots[unit];
      if (spot === null || spot === undefined) return;
      if (!first && (unit % every !== 0 || (best >= 0 && Math.abs(unit - best) < every))) return;
      const colour = first ? ink.accent : ink.text;
      c.save();
      c.translate(spot[0], spot[1] - 6);
      if (level) {
        c.textAlign = "center";
        this.write(text, 0, share === "" ? -6 : -22, `${first ? 700 : 500} 13px ${ink.sans}`, colour);
        if (share !== "") this.write(share, 0, -7, `400 11px ${ink.sans}`, first ? ink.accent : ink.dim);
      } else {
        c.rotate(-Math.PI / 4);
        this.write(share === "" ? text : `${text}  ${share}`, 2, 0, `${first ? 700 : 400} 11px ${ink.sans}`, colour);
      }
      c.restore();
      taken.push(level ? [spot[0] - space / 2, spot[1] - 36, spot[0] + space / 2, spot[1]] : [spot[0] - 4, spot[1] - 60, spot[0] + 70, spot[1]]);
    });
    c.textAlign = "left";
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

/** What a plate covers of the window: a band from the middle of its left to the middle of its right edge. */
function bandOf(camera: Camera, plate: Plate): Band {
  const at = (x: number, z: number): readonly [number, number] => {
    const seen = camera.project([plate.x + x * plate.wide, plate.y, plate.z + z * plate.deep]);
    return seen === null ? [-1e4, -1e4] : [seen[0], seen[1]];
  };
  const [a, b] = [at(-0.5, 0), at(0.5, 0)];
  const half = Math.abs(at(0, 0.5)[1] - at(0, -0.5)[1]) / 2;
  return a[0] < b[0] ? { plate, left: a, right: b, half } : { plate, left: b, right: a, half };
}

function inkOf(element: HTMLElement): Ink {
  const style = getComputedStyle(element);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  return {
    text: token("--text"), dim: token("--dim"), line: token("--edge"), accent: token("--accent"),
    positive: token("--positive"), negative: token("--negative"), halo: token("--halo"), sans: token("--sans"),
  };
}

