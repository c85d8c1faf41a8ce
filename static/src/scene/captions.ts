/** Names of the layers beside their plates: as many as can be read, and always those that are pointed at. */

import type { Camera } from "../layout/camera";
import { crosses, evenly, overlaps, within, type Box, type Spot } from "../layout/labels";
import { nearestPoint } from "../layout/pick";
import type { Plate } from "../layout/plates";
import { write, type Ink } from "./ink";
import type { World } from "./world";

export interface Caption {
  name: string; // of the layer
  text: string;
}

/** Half the height of a line of text, in pixels. */
const HALF = 7;

/** From the plate to its name, and how much farther out a name goes, step by step, past the arcs of shortcuts. */
const GAP = 10;
const FARTHER = 15;
const STEPS = 6;

type Side = "left" | "right" | "below";

/** How a name stands by its plate. */
interface Stand {
  side: Side;
  out: number; // pixels from the plate
  full: boolean; // with the layer's shape
}

interface Band {
  plate: Plate;
  left: Spot;
  right: Spot;
  half: number; // of its height
}

interface Scenery {
  room: Box;
  bands: readonly Band[];
  lines: readonly { line: Spot[]; box: Box }[];
}

export class Captions {
  /** Names of the layers that are written now. */
  written: string[] = [];
  private stands = new Map<string, Stand>();
  private readonly widths = new Map<string, number>();

  /** `settled`: names are placed anew; while the camera moves they keep the side on which they stand. */
  draw(c: CanvasRenderingContext2D, ink: Ink, world: World, camera: Camera, captions: ReadonlyMap<string, Caption>, marked: readonly (string | null | undefined)[], strength: (name: string) => number, taken: Box[], settled: boolean): void {
    if (settled || this.stands.size === 0) this.place(c, ink, world, camera, captions, marked, taken);
    c.textBaseline = "middle";
    this.written = [];
    for (const [name, stand] of this.stands) {
      const caption = captions.get(name);
      const plate = world.plate(name);
      if (caption === undefined || plate === undefined) continue;
      const width = this.width(c, ink, caption, stand.full);
      const spot = spotOf(plate, camera, width, stand);
      if (spot === null) continue;
      const named = marked.includes(name);
      const [x, y] = named ? clamped(spot, width, camera) : spot;
      c.globalAlpha = Math.max(strength(name), 0.35);
      if (stand.out > GAP) leader(c, ink, camera, plate, stand, x + (stand.side === "left" ? width + 3 : -3), y);
      const size = this.width(c, ink, caption, false);
      write(c, ink, caption.name, x, y, nameFont(ink), named ? ink.accent : ink.text);
      if (stand.full) write(c, ink, caption.text, x + size + 8, y, textFont(ink), ink.dim);
      this.written.push(name);
    }
    c.globalAlpha = 1;
  }

  /** Forgets the widths of text, as after a change of font or network. */
  forget(): void {
    this.widths.clear();
    this.stands.clear();
  }

  private place(c: CanvasRenderingContext2D, ink: Ink, world: World, camera: Camera, captions: ReadonlyMap<string, Caption>, marked: readonly (string | null | undefined)[], taken: Box[]): void {
    const { frame } = camera;
    const named = new Set(captions.keys());
    const plates = world.plates.filter((plate) => named.has(plate.name));
    const scenery: Scenery = {
      room: [frame.left, frame.top, frame.width - frame.right, frame.height - frame.bottom],
      bands: world.plates.map((plate) => bandOf(camera, plate)),
      lines: world.links.filter((link) => link.shortcut).flatMap(({ points }) => {
        const line = points.map((point) => camera.project(point)).flatMap((at): Spot[] => (at === null ? [] : [[at[0], at[1]]]));
        return line.length < 2 ? [] : [{ line, box: around(line) }];
      }),
    };
    const first = plates.filter((plate) => marked.includes(plate.name));
    const rest = evenly(plates.length).flatMap((index) => plates[index] ?? []).filter((plate) => !first.includes(plate));
    this.stands = new Map();
    for (const plate of [...first, ...rest]) {
      const caption = captions.get(plate.name);
      if (caption === undefined) continue;
      const wanted = first.includes(plate);
      const stand = this.standFor(c, ink, plate, caption, camera, scenery, taken) ?? (wanted ? { side: "below" as const, out: GAP, full: true } : null);
      if (stand === null) continue;
      const width = this.width(c, ink, caption, stand.full);
      const spot = spotOf(plate, camera, width, stand);
      if (spot === null) continue;
      const [x, y] = wanted ? clamped(spot, width, camera) : spot;
      taken.push([x - 4, y - HALF, x + width + 4, y + HALF]);
      this.stands.set(plate.name, stand);
    }
  }

  /** Left, right or below, with its shape or without, close or past the arcs: the first that is free and in the window. */
  private standFor(c: CanvasRenderingContext2D, ink: Ink, plate: Plate, caption: Caption, camera: Camera, scenery: Scenery, taken: readonly Box[]): Stand | null {
    for (const full of [true, false]) {
      const width = this.width(c, ink, caption, full);
      const tries: Stand[] = [{ side: "left", out: GAP, full }, { side: "right", out: GAP, full }];
      if (roomBelow(plate, camera, width)) tries.push({ side: "below", out: GAP, full });
      for (let step = 1; step <= STEPS && scenery.lines.length > 0; step += 1) tries.push({ side: "right", out: GAP + step * FARTHER, full });
      for (const stand of tries) {
        const spot = spotOf(plate, camera, width, stand);
        if (spot === null) continue;
        const box: Box = [spot[0] - 4, spot[1] - HALF, spot[0] + width + 4, spot[1] + HALF];
        const free = within(box, scenery.room) && !taken.some((other) => overlaps(box, other)) && !covered(box, plate, scenery.bands)
          && !scenery.lines.some((link) => overlaps(box, link.box) && crosses(link.line, box));
        if (free) return stand;
      }
    }
    return null;
  }

  private width(c: CanvasRenderingContext2D, ink: Ink, caption: Caption, full: boolean): number {
    const key = `${full ? "f" : "n"}${caption.name}`;
    const known = this.widths.get(key);
    if (known !== undefined) return known;
    c.font = nameFont(ink);
    let width = c.measureText(caption.name).width;
    c.font = textFont(ink);
    if (full) width += c.measureText(caption.text).width + 8;
    this.widths.set(key, width);
    return width;
  }
}

const nameFont = (ink: Ink): string => `600 12px ${ink.sans}`;
const textFont = (ink: Ink): string => `400 11px ${ink.sans}`;

/** Where a name begins, and its middle line; null behind the eye. */
function spotOf(plate: Plate, camera: Camera, width: number, { side, out }: Stand): Spot | null {
  if (side === "below") {
    // the near left corner, or where that lies behind the eye, the point of the plate that one looks at
    const near = camera.project([plate.x - plate.wide / 2, plate.y, plate.z + plate.deep / 2]) ?? camera.project(nearestPoint(plate, camera.pose.target));
    return near === null ? null : [near[0] + 2, near[1] + HALF + 2];
  }
  const [left, right] = edges(plate, camera);
  if (left === null || right === null) return null;
  return side === "left" ? [left[0] - width - out, left[1]] : [right[0] + out, right[1]];
}

/** The middles of the plate's edges that are seen at the left and at the right, from whichever side one looks. */
function edges(plate: Plate, camera: Camera): [Spot | null, Spot | null] {
  const a = camera.project([plate.x - plate.wide / 2, plate.y, plate.z]);
  const b = camera.project([plate.x + plate.wide / 2, plate.y, plate.z]);
  const [left, right] = a !== null && b !== null && a[0] > b[0] ? [b, a] : [a, b];
  return [left === null ? null : [left[0], left[1]], right === null ? null : [right[0], right[1]]];
}

/** Whether a plate is seen so large that its name below it belongs to it and no other. */
function roomBelow(plate: Plate, camera: Camera, width: number): boolean {
  const [left, right] = edges(plate, camera);
  const near = camera.project([plate.x, plate.y, plate.z + plate.deep / 2]);
  if (left === null || right === null || near === null) return false;
  return right[0] - left[0] > 1.4 * width && Math.abs(near[1] - (left[1] + right[1]) / 2) > 16;
}

/** Into what the panels leave of the window, along its plate. */
function clamped([x, y]: Spot, width: number, { frame }: Camera): Spot {
  const into = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), Math.max(high, low));
  return [into(x, frame.left + 6, frame.width - frame.right - width - 6), into(y, frame.top + HALF + 2, frame.height - frame.bottom - HALF - 2)];
}

function leader(c: CanvasRenderingContext2D, ink: Ink, camera: Camera, plate: Plate, stand: Stand, x: number, y: number): void {
  const [left, right] = edges(plate, camera);
  const edge = stand.side === "left" ? left : right;
  if (edge === null || stand.side === "below") return;
  c.strokeStyle = ink.line;
  c.lineWidth = 1;
  c.beginPath();
  c.moveTo(edge[0], edge[1]);
  c.lineTo(x, y);
  c.stroke();
}

/** Whether a name would stand on the tiles of another plate. */
function covered(box: Box, own: Plate, bands: readonly Band[]): boolean {
  const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  return bands.some(({ plate, left, right, half }) => {
    if (plate === own || box[2] < left[0] - 4 || box[0] > right[0] + 4) return false;
    const share = Math.min(Math.max((x - left[0]) / Math.max(right[0] - left[0], 1), 0), 1);
    return Math.abs(y - (left[1] + share * (right[1] - left[1]))) < half + 5;
  });
}

/** What a plate covers of the window: a band from the middle of its left to the middle of its right edge. */
function bandOf(camera: Camera, plate: Plate): Band {
  const [left, right] = edges(plate, camera);
  const away: Spot = [-1e4, -1e4];
  const [far, near] = [camera.project([plate.x, plate.y, plate.z - plate.deep / 2]), camera.project([plate.x, plate.y, plate.z + plate.deep / 2])];
  const half = far === null || near === null ? 0 : Math.abs(near[1] - far[1]) / 2;
  return { plate, left: left ?? away, right: right ?? away, half };
}

function around(line: readonly Spot[]): Box {
  const [xs, ys] = [line.map((at) => at[0]), line.map((at) => at[1])];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
