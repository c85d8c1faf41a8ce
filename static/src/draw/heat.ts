/** A picture in grey, with what speaks for a class laid over it in colours: clear where nothing does. */

import { colourIndex, type Lut } from "./colour";

/** Under 1, so that what is weak still shows. */
const SOFT = 0.75;

/** How much of the picture the strongest place still lets through. */
const THROUGH = 0.2;

/** Draws on a canvas of `width` x `height` pixels; `values` (H, W) lie within -limit to limit, as the colours do. */
export function drawHeat(canvas: HTMLCanvasElement, photo: CanvasImageSource, values: Float32Array, height: number, width: number, limit: number, lut: Lut): void {
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("This browser gives no 2D canvas, on which the maps are drawn.");
  context.drawImage(photo, 0, 0, width, height);
  const image = context.getImageData(0, 0, width, height);
  const { data } = image;
  for (let i = 0; i < height * width; i += 1) {
    const value = values[i] ?? 0;
    const colour = lut[colourIndex(value, -limit, limit)] ?? 0;
    const over = limit > 0 ? (1 - THROUGH) * Math.min(Math.abs(value) / limit, 1) ** SOFT : 0;
    const grey = 0.2126 * (data[4 * i] ?? 0) + 0.7152 * (data[4 * i + 1] ?? 0) + 0.0722 * (data[4 * i + 2] ?? 0);
    for (const k of [0, 1, 2]) data[4 * i + k] = Math.round((1 - over) * grey + over * ((colour >> (8 * k)) & 255));
  }
  context.putImageData(image, 0, 0);
}
