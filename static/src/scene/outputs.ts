/** Names of the last layer's units behind their cells: all of a few, and as many of very many as can be read. */

import type { Camera } from "../layout/camera";
import { spread, type Box, type Spot } from "../layout/labels";
import { blockCentre } from "../layout/pick";
import { write, type Ink } from "./ink";
import type { World } from "./world";

/** Name and probability of an output unit; the likeliest is set apart. */
export interface OutputLabel {
  text: string;
  share: string;
  first: boolean;
}

/** Names set aslant keep this far from each other, in pixels: their lines are 12 high. */
const ASLANT = 17;

/** Up to so many units are all named, however near their cells are. */
const FEW = 32;

/** From the cells to names that had to move aside, in pixels. */
const LIFT = 16;

const longest = (c: CanvasRenderingContext2D, ink: Ink, outputs: readonly OutputLabel[]): number => {
  c.font = `600 12px ${ink.sans}`;
  return Math.max(0, ...outputs.map(({ text }) => c.measureText(text).width));
};

/** How far the names reach up behind the last layer, in pixels; `shares`: with a probability after the longest. */
export function heightOf(c: CanvasRenderingContext2D, ink: Ink, outputs: readonly OutputLabel[], shares: boolean): number {
  const name = Math.min(longest(c, ink, outputs), 150);
  return outputs.length === 0 ? 0 : LIFT + 4 + (name + (shares ? c.measureText("  100 %").width : 0)) * Math.SQRT1_2;
}

interface Named {
  unit: number;
  label: OutputLabel;
  cell: Spot;
}

/** Draws them; what they cover is added to `taken`. The units that are named. */
export function drawOutputs(c: CanvasRenderingContext2D, ink: Ink, world: World, camera: Camera, outputs: readonly OutputLabel[], taken: Box[]): number[] {
  const plate = world.plates.at(-1);
  if (plate === undefined || plate.folded || outputs.length !== plate.count || outputs.length === 0) return [];
  const { frame } = camera;
  const rim = (unit: number, side: number): Spot | null => {
    const at = camera.project([blockCentre(plate, { slot: world.slotOf(plate.name, unit), row: 0, column: 0 })[0], plate.y, plate.z + side * (plate.deep / 2)]);
    return at === null ? null : [at[0], at[1]];
  };
  const upper = (rim(0, -1)?.[1] ?? 0) <= (rim(0, 1)?.[1] ?? 0) ? -1 : 1; // the edge that is seen above the other
  const seen = outputs.flatMap((label, unit): Named[] => {
    const cell = rim(unit, upper);
    const inside = cell !== null && cell[0] > frame.left && cell[0] < frame.width - frame.right && cell[1] > frame.top && cell[1] < frame.height - frame.bottom;
    return inside ? [{ unit, label, cell }] : [];
  });
  const [one, two] = [rim(0, upper), rim(1, upper)];
  if (seen.length === 0 || one === null) return [];
  const space = two === null || outputs.length === 1 ? 100 : Math.hypot(two[0] - one[0], two[1] - one[1]);
  c.textBaseline = "middle";
  if (Math.max(longest(c, ink, outputs), ...outputs.map(({ share }) => c.measureText(share).width)) + 6 < space) return level(c, ink, seen, space, taken);
  return aslant(c, ink, outputs.length <= FEW ? seen : thinned(seen, space), camera, taken);
}

/** Every so many, and the likeliest in any case. */
function thinned(seen: readonly Named[], space: number): Named[] {
  const every = Math.max(1, Math.ceil(ASLANT / Math.max(space, 0.1)));
  const best = seen.find(({ label }) => label.first)?.unit;
  return seen.filter(({ unit }) => unit === best || (unit % every === 0 && (best === undefined || Math.abs(unit - best) >= every)));
}

function level(c: CanvasRenderingContext2D, ink: Ink, seen: readonly Named[], space: number, taken: Box[]): number[] {
  c.textAlign = "center";
  for (const { label: { text, share, first }, cell: [x, y] } of seen) {
    write(c, ink, text, x, y - (share === "" ? 12 : 28), `${first ? 700 : 500} 13px ${ink.sans}`, first ? ink.accent : ink.text);
    if (share !== "") write(c, ink, share, x, y - 13, `400 11px ${ink.sans}`, first ? ink.accent : ink.dim);
    taken.push([x - space / 2, y - 36, x + space / 2, y]);
  }
  c.textAlign = "left";
  return seen.map(({ unit }) => unit);
}

/** In a fan behind their cells, with a line to each cell that its name had to leave. */
function aslant(c: CanvasRenderingContext2D, ink: Ink, seen: readonly Named[], camera: Camera, taken: Box[]): number[] {
  const { frame } = camera;
  const row = [...seen].sort((a, b) => a.cell[0] - b.cell[0] || a.unit - b.unit);
  const [left, right] = [row[0]?.cell ?? [0, 0], row.at(-1)?.cell ?? [0, 0]];
  const places = spread(row.map(({ cell }) => cell[0]), ASLANT, frame.left + 8, frame.width - frame.right - 40);
  const moved = row.some(({ cell }, index) => Math.abs((places[index] ?? 0) - cell[0]) > 3);
  const slope = right[0] - left[0] > 8 ? Math.min(Math.max((right[1] - left[1]) / (right[0] - left[0]), -0.4), 0.4) : 0;
  const base = (x: number): number => (moved ? Math.min(left[1], right[1], (left[1] + right[1]) / 2) - LIFT : left[1] - 6) + slope * (x - (moved ? (left[0] + right[0]) / 2 : left[0]));
  row.forEach(({ label: { text, share, first }, cell }, index) => {
    const x = places[index] ?? cell[0];
    const y = base(x);
    if (moved) {
      c.strokeStyle = first ? ink.accent : ink.line;
      c.lineWidth = 1;
      c.beginPath();
      c.moveTo(cell[0], cell[1]);
      c.lineTo(x, y + 3);
      c.stroke();
    }
    c.save();
    c.translate(x, y);
    c.rotate(-Math.PI / 4);
    write(c, ink, share === "" ? text : `${text}  ${share}`, 2, 0, `${first ? 700 : 400} 11px ${ink.sans}`, first ? ink.accent : ink.text);
    c.restore();
    taken.push([x - 4, y - 60, x + 60, y + 4], [Math.min(x, cell[0]) - 2, y, Math.max(x, cell[0]) + 2, cell[1]]);
  });
  return row.map(({ unit }) => unit);
}
