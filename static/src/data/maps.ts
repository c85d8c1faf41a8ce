/** The maps of every layer of one run, shrunk to tiles and scaled to 8 bits, each with its own minimum and maximum. */

import { parseSafetensors } from "./safetensors";
import type { Layer } from "./wire";

export interface Maps {
  channels: number;
  height: number; // of one tile as sent, at most the layer's own
  width: number;
  pixels: Uint8Array; // (C, h, w): 0 is the map's minimum, 255 its maximum
  min: Float32Array; // (C), of the full map
  max: Float32Array; // (C)
  low: number; // of the whole layer
  high: number;
}

/** Channels, height and width of a layer; a vector stands as N x 1 x 1. */
export function sizeOf(layer: Pick<Layer, "shape">): [channels: number, height: number, width: number] {
  const [channels = 1, height = 1, width = 1] = layer.shape;
  return [channels, height, width];
}

/** Tile sides to choose from, in pixels, and the answer's size that a tile may make of it. */
const TILES = [64, 48, 32, 24, 16];
const BUDGET = 6_000_000;

/** The largest tile with which all maps together stay under the budget (one byte a pixel). */
export function tileFor(layers: readonly Pick<Layer, "shape">[]): number {
  const bytes = (tile: number): number =>
    layers.reduce((sum, layer) => {
      const [channels, height, width] = sizeOf(layer);
      return sum + channels * Math.min(tile, height) * Math.min(tile, width);
    }, 0);
  return TILES.find((tile) => bytes(tile) <= BUDGET) ?? 16;
}

/** Reads an overview; a layer that the answer leaves out has no maps. */
export function readOverview(buffer: ArrayBuffer, layers: readonly Layer[]): Map<string, Maps> {
  const tensors = parseSafetensors(buffer);
  const overview = new Map<string, Maps>();
  for (const { name } of layers) {
    const pixels = tensors.get(name);
    const min = tensors.get(`${name}.min`)?.data;
    const max = tensors.get(`${name}.max`)?.data;
    if (!(pixels?.data instanceof Uint8Array) || !(min instanceof Float32Array) || !(max instanceof Float32Array)) continue;
    const [channels, height, width] = sizeOf(pixels);
    const low = min.reduce((a, b) => Math.min(a, b), Infinity);
    const high = max.reduce((a, b) => Math.max(a, b), -Infinity);
    overview.set(name, { channels, height, width, pixels: pixels.data, min, max, low, high });
  }
  return overview;
}

/** The value of one tile pixel, to within 1/255 of its map's range. */
export function valueAt(maps: Maps, channel: number, y: number, x: number): number {
  const pixel = maps.pixels[(channel * maps.height + y) * maps.width + x] ?? 0;
  const min = maps.min[channel] ?? 0;
  return min + (pixel / 255) * ((maps.max[channel] ?? 0) - min);
}

/** Channels in order: by number, or the one with the highest maximum first. */
export function channelOrder(maps: Maps, strongestFirst: boolean): number[] {
  const order = Array.from({ length: maps.channels }, (_, channel) => channel);
  if (strongestFirst) order.sort((a, b) => (maps.max[b] ?? 0) - (maps.max[a] ?? 0) || a - b);
  return order;
}
