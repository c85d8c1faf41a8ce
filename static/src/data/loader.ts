/** Fetching the maps of a run: coarse maps of every layer first, those in view before the others, then finer ones. */

import { breathe } from "../dom";
import type { Api } from "./api";
import { readOverview, sizeOf, type Maps } from "./maps";
import type { Layer, Run } from "./wire";

/** Sides of tiles to choose from, in pixels. */
const TILES = [8, 10, 12, 14, 16, 24, 32, 48, 64, 96, 128, 192, 256];

/** What the first picture of all layers may take, in bytes. */
const FIRST = 1_500_000;

/** One answer brings about so many bytes, so that the first layers need not wait for the last. */
const PART = 260_000;

/** So many answers are under way at once: the server draws the next layers while the page shows these. */
const AHEAD = 3;

/** A layer is not fetched finer than this. */
const FINEST = 4_000_000;

export interface Wish {
  layer: Layer;
  tile: number; // pixels that a map takes on the screen
}

type Sized = Pick<Layer, "shape">;

const bytesOf = (layer: Sized, tile: number): number => {
  const [channels, height, width] = sizeOf(layer);
  const shrink = Math.min(1, tile / Math.max(height, width));
  return channels * (Math.ceil(height * shrink) * Math.ceil(width * shrink) + 8);
};

/** The largest tile with which the first picture of all layers keeps its budget. */
export function firstTile(layers: readonly Sized[], budget = FIRST): number {
  const fits = (tile: number): boolean => layers.reduce((sum, layer) => sum + bytesOf(layer, tile), 0) <= budget;
  return TILES.findLast(fits) ?? 8;
}

/** The layers in their order, as parts of about `PART` bytes. */
export function partsOf<T extends Sized>(layers: readonly T[], tile: number): T[][] {
  const parts: T[][] = [];
  let filled = Infinity;
  for (const layer of layers) {
    const bytes = bytesOf(layer, tile);
    if (filled + bytes > PART) {
      parts.push([]);
      filled = 0;
    }
    parts.at(-1)?.push(layer);
    filled += bytes;
  }
  return parts;
}

/** The smallest tile of the ladder that gives a layer `pixels` on the screen, without more than its own or `FINEST`. */
export function finerTile(layer: Sized, pixels: number): number {
  const [, height, width] = sizeOf(layer);
  const own = Math.max(height, width);
  const wanted = TILES.find((tile) => tile >= Math.min(pixels, own)) ?? own;
  const allowed = TILES.findLast((tile) => bytesOf(layer, tile) <= FINEST) ?? 8;
  return Math.min(wanted, allowed, own);
}

export class Loader {
  readonly maps = new Map<string, Maps>();
  private readonly api: Api;
  private readonly arrived: (name: string, maps: Maps) => void;
  private run: Run | null = null;
  private wishes: Wish[] = [];
  private refining = false;

  constructor(api: Api, arrived: (name: string, maps: Maps) => void) {
    this.api = api;
    this.arrived = arrived;
  }

  forget(): void {
    this.run = null;
    this.maps.clear();
    this.wishes = [];
  }

  /** Brings every layer's maps in this order; ends early when another run has begun. */
  async load(run: Run, layers: readonly Layer[]): Promise<void> {
    this.run = run;
    this.wishes = [];
    const tile = firstTile(layers);
    const parts = partsOf(layers, tile);
    const ahead = parts.slice(0, AHEAD).map((part) => this.part(run, part, tile));
    for (let index = 0; index < parts.length; index += 1) {
      const buffer = await (ahead[index] ?? null);
      if (this.run !== run) return;
      ahead.push(this.part(run, parts[index + AHEAD], tile));
      await this.take(run, buffer, parts[index] ?? []);
    }
  }

  /** Fetches finer maps, one layer after another; a newer list takes the place of what is left of an older one. */
  refine(wishes: readonly Wish[]): void {
    this.wishes = wishes.filter(({ layer, tile }) => {
      const known = this.maps.get(layer.name);
      return known !== undefined && finerTile(layer, tile) > Math.max(known.height, known.width);
    });
    if (!this.refining) void this.drain();
  }

  private async drain(): Promise<void> {
    this.refining = true;
    try {
      for (let wish = this.wishes.shift(); wish !== undefined; wish = this.wishes.shift()) {
        const { run } = this;
        if (run === null) return;
        const buffer = await this.api.overview(run.id, finerTile(wish.layer, wish.tile), [wish.layer.name]).catch(() => null);
        if (buffer === null) return; // the coarse maps stay; the next move asks again
        await this.take(run, buffer, [wish.layer]);
      }
    } finally {
      this.refining = false;
    }
  }

  private part(run: Run, layers: readonly Layer[] | undefined, tile: number): Promise<ArrayBuffer | null> {
    if (layers === undefined) return Promise.resolve(null);
    const asked = this.api.overview(run.id, tile, layers.map((layer) => layer.name));
    asked.catch(() => undefined); // reported where it is awaited
    return asked;
  }

  /** Hands the layers of one answer on, one at a time. */
  private async take(run: Run, buffer: ArrayBuffer | null, layers: readonly Layer[]): Promise<void> {
    if (buffer === null) return;
    for (const [name, maps] of readOverview(buffer, layers)) {
      if (this.run !== run) return;
      this.maps.set(name, maps);
      this.arrived(name, maps);
      if (maps.pixels.length > 30_000) await breathe();
    }
  }
}
