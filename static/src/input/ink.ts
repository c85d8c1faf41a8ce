/** Strokes on a canvas: round pen, as wide as said, and the drawing as a picture for the service. */

import type { Picture } from "../data/api";
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

/** The drawing, black on white, as a bitmap: made at once, without a canvas, so that maps can follow the pen. */
export function inkPicture(strokes: readonly Stroke[]): Promise<Picture> {
  return Promise.resolve(bitmapOf(greyOf(strokes, SENT_SIDE), SENT_SIDE, SENT_SIDE));
}

/** `side` x `side` levels from 255, the page, to 0, the ink; edges are a pixel soft, as a canvas draws them. */
export function greyOf(strokes: readonly Stroke[], side: number): Uint8Array {
  const grey = new Float32Array(side * side).fill(255);
  const cover = new Float32Array(side * side);
  for (const stroke of strokes) {
    cover.fill(0);
    const reach = (stroke.width * side) / 2 + 0.5;
    stroke.points.forEach((point, index) => { coverSegment(cover, side, reach, stroke.points[Math.max(index - 1, 0)] ?? point, point); });
    const level = stroke.erase ? 255 : 0;
    for (let i = 0; i < grey.length; i += 1) grey[i] = (grey[i] ?? 0) + (cover[i] ?? 0) * (level - (grey[i] ?? 0));
  }
  return Uint8Array.from(grey, Math.round);
}

/** How much of each pixel lies within `reach` pixels of a segment with round ends; the most of what was there and is now. */
function coverSegment(cover: Float32Array, side: number, reach: number, from: Point, to: Point): void {
  const [ax, ay, bx, by] = [from[0] * side - 0.5, from[1] * side - 0.5, to[0] * side - 0.5, to[1] * side - 0.5]; // between pixels' middles
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const [top, bottom] = [Math.max(Math.floor(Math.min(ay, by) - reach), 0), Math.min(Math.ceil(Math.max(ay, by) + reach), side - 1)];
  const [left, right] = [Math.max(Math.floor(Math.min(ax, bx) - reach), 0), Math.min(Math.ceil(Math.max(ax, bx) + reach), side - 1)];
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) {
      const along = length === 0 ? 0 : Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / length, 0), 1);
      const [across, down] = [x - ax - along * dx, y - ay - along * dy];
      const part = Math.min(reach - Math.sqrt(across * across + down * down), 1); // several times as fast as Math.hypot
      const at = y * side + x;
      if (part > (cover[at] ?? 0)) cover[at] = part;
    }
  }
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
