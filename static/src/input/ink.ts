/** Strokes on a canvas: round pen, as wide as said, and the drawing as a picture for the service. */

import { bitmapOf } from "./bitmap";
import type { Point, Stroke } from "./drawing";

/** A usual pen's width, as a share of the pad's side. */
export const PEN_WIDTH = 0.085;

/** Side in pixels of the picture that is sent: enough for any cut-out, small enough to be sent while drawing. */
const SENT_SIDE = 168;

/** Draws strokes over the whole of a `side` x `side` canvas. */
export function drawInk(context: CanvasRenderingContext2D, side: number, strokes: readonly Stroke[], ground: string, ink: string): void {
  context.fillStyle = ground;
  context.fillRect(0, 0, side, side);
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const stroke of strokes) {
    context.strokeStyle = stroke.erase ? ground : ink;
    context.lineWidth = stroke.width * side;
    context.beginPath();
    stroke.points.forEach(([x, y], index) => {
      if (index === 0) context.moveTo(x * side, y * side);
      context.lineTo(x * side, y * side);
    });
    context.stroke();
  }
}

/** Polylines as strokes of the usual pen. */
export function asStrokes(lines: readonly (readonly Point[])[]): Stroke[] {
  return lines.map((points) => ({ points: [...points], width: PEN_WIDTH, erase: false }));
}

/** The drawing, black on white, as a bitmap: made at once, so that maps can follow the pen. */
export function inkPicture(strokes: readonly Stroke[]): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = SENT_SIDE;
  canvas.height = SENT_SIDE;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) return Promise.reject(new Error("This browser gives no 2D canvas, on which the drawing becomes a picture."));
  drawInk(context, SENT_SIDE, strokes, "#ffffff", "#000000");
  const pixels = new Uint32Array(context.getImageData(0, 0, SENT_SIDE, SENT_SIDE).data.buffer);
  const grey = Uint8Array.from(pixels, (pixel) => pixel & 255); // red, green and blue are the same
  return Promise.resolve(new Blob([bitmapOf(grey, SENT_SIDE, SENT_SIDE)], { type: "image/bmp" }));
}

/** A canvas as a PNG. */
export function pictureOf(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob === null) reject(new Error("This browser could not turn the drawing into a picture."));
      else resolve(blob);
    }, "image/png");
  });
}
