/** Layers light up one after the other, in the order in which they are computed. */

const LIGHTING = 380; // milliseconds, of one layer
const FOLLOWING = 900; // until the last of many layers begins

/** The motion of the layer at `rank` of so many: its milliseconds, and how bright it is at `t` (0 to 1) of them. */
export function lighting(rank: number, layers: number): { duration: number; at: (t: number) => number } {
  const wait = (Math.max(rank, 0) * Math.min(90, FOLLOWING / layers)) / LIGHTING;
  return { duration: LIGHTING * (1 + wait), at: (t) => Math.max(Math.min(t * (1 + wait) - wait, 1), 0) };
}
