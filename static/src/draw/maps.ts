/** Drawing maps on canvases: all maps of a layer as tiles, or one map enlarged. Nothing here knows about layout rules. */

import type { Maps } from "../data/maps";
import { tileAt, type TileGrid } from "../layout/tiles";
import { colourIndex, rangeFor, type Lut, type Scale } from "./colour";

/** How values become colours. */
export interface Look {
  scale: Scale;
  lut: Lut;
}

// `willReadFrequently` keeps these small canvases in memory: they are drawn faster there than sent to a graphics card,
// and a page whose graphics are still starting does not stand still for them.

/** Gives the canvas `width` x `height` CSS pixels at the screen's resolution and returns a cleared context. */
export function sizeCanvas(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = Math.min(window.devicePixelRatio, 2);
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("This browser gives no 2D canvas, on which the maps are drawn.");
  context.scale(ratio, ratio);
  context.imageSmoothingEnabled = false;
  return context;
}

/** An offscreen picture of one colour a cell. */
function picture(width: number, height: number, fill: (pixels: Uint32Array) => void): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  fill(new Uint32Array(image.data.buffer));
  canvas.getContext("2d", { willReadFrequently: true })?.putImageData(image, 0, 0);
  return canvas;
}

/** Draws the maps in `order`, tile by tile. */
export function drawTiles(canvas: HTMLCanvasElement, maps: Maps, grid: TileGrid, order: readonly number[], look: Look): void {
  const context = sizeCanvas(canvas, grid.width, grid.height);
  const { height, width } = maps;
  const area = height * width;
  // All maps stacked in one tall picture: one upload, then one copy a tile.
  const stack = picture(width, height * order.length, (pixels) => {
    order.forEach((channel, index) => {
      const min = maps.min[channel] ?? 0;
      const max = maps.max[channel] ?? 0;
      const [from, to] = rangeFor(look.scale, maps.low, maps.high, min, max);
      const colours = Uint32Array.from({ length: 256 }, (_, level) => look.lut[colourIndex(min + (level / 255) * (max - min), from, to)] ?? 0);
      for (let i = 0; i < area; i += 1) pixels[index * area + i] = colours[maps.pixels[channel * area + i] ?? 0] ?? 0;
    });
  });
  order.forEach((_, index) => {
    const [left, top] = tileAt(grid, index);
    context.drawImage(stack, 0, index * height, width, height, left, top, grid.tileWidth, grid.tileHeight);
  });
}

/** Draws one exact map (H x W values), `zoom` CSS pixels a unit. */
export function drawMap(
  canvas: HTMLCanvasElement, values: Float32Array, height: number, width: number, zoom: number, range: readonly [number, number], lut: Lut,
): void {
  const context = sizeCanvas(canvas, width * zoom, height * zoom);
  const cells = picture(width, height, (pixels) => {
    for (let i = 0; i < height * width; i += 1) pixels[i] = lut[colourIndex(values[i] ?? 0, range[0], range[1])] ?? 0;
  });
  context.imageSmoothingEnabled = width * zoom < width; // shrunk maps are averaged, enlarged ones keep their squares
  context.drawImage(cells, 0, 0, width * zoom, height * zoom);
}

/** Draws the colours of a legend from left to right. */
export function drawLegend(canvas: HTMLCanvasElement, width: number, height: number, lut: Lut): void {
  const context = sizeCanvas(canvas, width, height);
  const strip = picture(256, 1, (pixels) => {
    pixels.set(lut);
  });
  context.drawImage(strip, 0, 0, width, height);
}
