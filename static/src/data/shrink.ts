/** Exact activations as the maps that are drawn: shrunk by area mean where larger than a tile, 8 bits a cell. No DOM. */

import { breathe } from "../dom";
import { sizeOf, type Maps } from "./maps";
import { extent } from "./tensors";

/** So many numbers are shrunk in one task, so that the page answers in between. */
const PIECE = 300_000;

/** `data` is (C, H, W); minimum and maximum are those of the full maps, as in the service's overview, and what is not finite counts as 0. */
export async function mapsOf(data: Float32Array, shape: readonly number[], tile: number): Promise<Maps> {
  const [channels, height, width] = sizeOf({ shape: [...shape] });
  const step = Math.max(1, Math.ceil(Math.max(height, width) / tile));
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)];
  const pixels = new Uint8Array(channels * rows * columns);
  const min = new Float32Array(channels).fill(Infinity);
  const max = new Float32Array(channels).fill(-Infinity);
  let done = 0;
  for (let channel = 0; channel < channels; channel += 1) {
    const map = data.subarray(channel * height * width, (channel + 1) * height * width);
    const [low, high] = extent(map);
    min[channel] = low;
    max[channel] = high;
    const factor = high > low ? 255 / (high - low) : 0;
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        pixels[(channel * rows + row) * columns + column] = Math.min(Math.max(Math.round((blockMean(map, width, height, row * step, column * step, step) - low) * factor), 0), 255);
      }
    }
    if ((done += map.length) < PIECE) continue;
    done = 0;
    await breathe();
  }
  const low = min.reduce((a, b) => Math.min(a, b), Infinity);
  const high = max.reduce((a, b) => Math.max(a, b), -Infinity);
  return { channels, height: rows, width: columns, pixels, min, max, low, high };
}

function blockMean(map: Float32Array, width: number, height: number, top: number, left: number, step: number): number {
  const [bottom, right] = [Math.min(top + step, height), Math.min(left + step, width)];
  let sum = 0;
  for (let y = top; y < bottom; y += 1) for (let x = left; x < right; x += 1) sum += finite(map[y * width + x]);
  return sum / ((bottom - top) * (right - left));
}

const finite = (value: number | undefined): number => (value !== undefined && Number.isFinite(value) ? value : 0);
