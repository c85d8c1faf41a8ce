/** The plates as elements of the page, while the browser starts its graphics: every layer's maps as one picture, laid on its
 * plate by the camera's own perspective. */

import { colourIndex, lutFor, rangeFor } from "../draw/colour";
import { h } from "../dom";
import { colourBitmap } from "../input/bitmap";
import { dot, type Camera } from "../layout/camera";
import { evenly } from "../layout/labels";
import type { Plate, Vec } from "../layout/plates";
import type { Shown, Tone } from "./surface";

/** A layer's picture has at most about so many pixels, and a tile of it is at most so many wide. */
const LARGEST = 100_000;
const TILE = 28;

/** After so many milliseconds the next layer is coloured in the next frame, so that the page answers in between. */
const PORTION = 15;

/** Names keep this far from each other, in pixels. */
const LINE = 16;

/** The projection of a plate's plane as CSS has it: (0, 0) is the plate's left far corner, a unit is a scene unit. */
export function planeOf(plate: Plate, camera: Camera): number[] {
  const [left, far] = [plate.x - plate.wide / 2, plate.z - plate.deep / 2];
  const { right, up, back, eye, focal, centre } = camera;
  const corner: Vec = [left - eye[0], plate.y - eye[1], far - eye[2]];
  const seen = (way: Vec): [number, number, number] => {
    const depth = -dot(way, back) / camera.distance;
    const scale = focal / camera.distance;
    return [centre[0] * depth + scale * dot(way, right), centre[1] * depth - scale * dot(way, up), depth];
  };
  const [x, z, origin] = [seen([1, 0, 0]), seen([0, 0, 1]), seen(corner)];
  return [x[0], x[1], 0, x[2], z[0], z[1], 0, z[2], 0, 0, 1, 0, origin[0], origin[1], 0, origin[2]];
}

interface Piece {
  slab: HTMLElement;
  picture: HTMLImageElement;
  name: HTMLElement;
  shown: Shown | null;
  key: string;
}

/** What a plate looks like, besides where it stands. */
export interface Looks {
  shown: Shown | undefined;
  lit: number; // from 0, before its maps have come, to 1
  strength: number;
}

export class Sketch {
  readonly element = h("div", { class: "sketch", "aria-hidden": "true" });
  private readonly pieces = new Map<string, Piece>();

  /** Draws the plates as they are now; false where some maps are left for the next frame. */
  draw(plates: readonly Plate[], camera: Camera, tone: Tone, looks: (name: string) => Looks): boolean {
    let spent = 0; // on pictures alone: the plates of a deep network take as long to be placed
    let complete = true;
    const standing = new Set(plates.map((plate) => plate.name));
    for (const [name, piece] of this.pieces) if (!standing.has(name)) this.drop(name, piece);
    for (const plate of plates) {
      const piece = this.pieces.get(plate.name) ?? this.add(plate.name);
      const { shown, lit, strength } = looks(plate.name);
      if (spent < PORTION) spent += this.paint(piece, plate, shown, tone);
      else complete = false;
      const plane = planeOf(plate, camera);
      Object.assign(piece.slab.style, { width: "100px", height: "100px", opacity: String(strength), transform: laid(plane, plate.wide / 100, plate.deep / 100, 0) });
      Object.assign(piece.picture.style, { width: "100px", height: "100px", opacity: String(lit * strength), transform: laid(plane, (plate.wide - 2 * plate.margin) / 100, (plate.deep - 2 * plate.margin) / 100, plate.margin) });
      piece.name.hidden = true;
    }
    this.names(plates, camera);
    return complete;
  }

  remove(): void {
    for (const [name, piece] of this.pieces) this.drop(name, piece);
    this.element.remove();
  }

  private add(name: string): Piece {
    const piece: Piece = { slab: h("div", { class: "sketch-slab" }), picture: h("img", { alt: "", hidden: true }), name: h("span", { class: "sketch-name", hidden: true }, name.startsWith("/") ? "" : name), shown: null, key: "" };
    this.element.append(piece.slab, piece.picture, piece.name);
    this.pieces.set(name, piece);
    return piece;
  }

  private drop(name: string, piece: Piece): void {
    URL.revokeObjectURL(piece.picture.src);
    for (const one of [piece.slab, piece.picture, piece.name]) one.remove();
    this.pieces.delete(name);
  }

  /** Colours a layer's picture where it is not what it should be; how many milliseconds that took. */
  private paint(piece: Piece, plate: Plate, shown: Shown | undefined, tone: Tone): number {
    const key = [plate.columns, plate.count, tone.scale, tone.theme, tone.gamma].join();
    if (shown === undefined || (shown === piece.shown && key === piece.key)) return 0;
    const begun = performance.now();
    [piece.shown, piece.key] = [shown, key];
    URL.revokeObjectURL(piece.picture.src);
    piece.picture.src = URL.createObjectURL(pictureOf(plate, shown, tone));
    piece.picture.hidden = false;
    return performance.now() - begun;
  }

  /** Left of their plates, evenly thinned. */
  private names(plates: readonly Plate[], camera: Camera): void {
    const taken: number[] = [];
    for (const index of evenly(plates.length)) {
      const plate = plates[index];
      const name = plate === undefined ? undefined : this.pieces.get(plate.name)?.name;
      const at = plate === undefined ? null : camera.project([plate.x - plate.wide / 2, plate.y, plate.z]);
      if (name === undefined || at === null || taken.some((y) => Math.abs(y - at[1]) < LINE)) continue;
      taken.push(at[1]);
      name.hidden = false;
      name.style.transform = `translate(${at[0] - 10}px, ${at[1]}px) translate(-100%, -50%)`;
    }
  }
}

/** The plane's projection for an element, its pixels `wide` and `deep` scene units large, `margin` units from the corner. */
function laid(plane: readonly number[], wide: number, deep: number, margin: number): string {
  const [xs, zs, moved] = [plane.slice(0, 4), plane.slice(4, 8), plane.slice(12)];
  const origin = moved.map((one, axis) => one + margin * ((xs[axis] ?? 0) + (zs[axis] ?? 0)));
  return `matrix3d(${[...xs.map((one) => one * wide), ...zs.map((one) => one * deep), ...plane.slice(8, 12), ...origin].join(",")})`;
}

/** All maps of a layer as its plate has them: nearest cells, the gaps clear. */
function pictureOf(plate: Plate, { maps, order }: Shown, tone: Tone): Blob {
  const tile = Math.max(2, Math.min(TILE, Math.floor(Math.sqrt(LARGEST / plate.count))));
  const [wide, high] = [tile, Math.max(1, Math.round((tile * plate.tileDeep) / plate.tileWide))];
  const gap = Math.round((plate.gap / plate.tileWide) * tile);
  const [width, height] = [plate.columns * (wide + gap) - gap, plate.rows * (high + gap) - gap];
  const pixels = new Uint32Array(width * height);
  const lut = lutFor(tone.scale, tone.theme, tone.gamma);
  const colours = new Uint32Array(256);
  order.slice(0, plate.count).forEach((channel, slot) => {
    const [min, max] = [maps.min[channel] ?? 0, maps.max[channel] ?? 0];
    const [from, to] = rangeFor(tone.scale, maps.low, maps.high, min, max);
    for (let level = 0; level < 256; level += 1) colours[level] = lut[colourIndex(min + (level / 255) * (max - min), from, to)] ?? 0;
    const [left, top] = [(slot % plate.columns) * (wide + gap), Math.floor(slot / plate.columns) * (high + gap)];
    for (let y = 0; y < high; y += 1) {
      const row = (channel * maps.height + Math.floor((y / high) * maps.height)) * maps.width;
      const start = (top + y) * width + left;
      for (let x = 0; x < wide; x += 1) pixels[start + x] = colours[maps.pixels[row + Math.floor((x / wide) * maps.width)] ?? 0] ?? 0;
    }
  });
  return new Blob([colourBitmap(pixels, width, height)], { type: "image/bmp" });
}
