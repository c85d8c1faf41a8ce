/** Which cells feed a number, and how much each gives: the strongest as lines, their windows as outlines. Data only. */

import { contributions, strongestCell, unitUnder } from "../data/contributions";
import type { Explanation, ModelDetail } from "../data/wire";

export interface RayLine {
  layer: string;
  unit: readonly [channel: number, row: number, column: number];
  amount: number; // contribution, with its sign
  share: number; // of the largest contribution, 0 to 1
  winner: boolean; // of a maximum
}

export interface Window {
  layer: string;
  channel: number;
  top: number;
  left: number;
  height: number;
  width: number;
}

export interface Rays {
  lines: RayLine[]; // weakest first, so that the strongest is drawn last
  windows: Window[];
  cells: number; // that feed the number, in all
}

/** More lines than this say nothing more. */
const LINES = 260;
const WINDOWS = 40;

export function raysOf(explanation: Explanation, model: Pick<ModelDetail, "layers">): Rays {
  const ranked = contributions(explanation);
  const [down, across] = model.layers.find((layer) => layer.name === explanation.layer)?.dilation ?? [1, 1];
  const maximum = explanation.op === "max_pool";
  const best = maximum && ranked[0] !== undefined ? strongestCell(explanation.op, ranked[0]) : null;
  const lines: RayLine[] = [];
  let cells = 0;
  for (const item of ranked) {
    const { source } = item;
    const shape = model.layers.find((layer) => layer.name === source.layer)?.shape ?? [];
    const terms = item.cells ?? source.values;
    terms.forEach((row, y) => {
      row.forEach((amount, x) => {
        const unit = unitUnder(source, [y, x], shape, [down, across]);
        if (unit === null) return; // in the padding
        cells += 1;
        const [channel = 0, below = 0, beside = 0] = unit;
        lines.push({ layer: source.layer, unit: [channel, below, beside], amount, share: 0, winner: best !== null && best[0] === y && best[1] === x });
      });
    });
  }
  const strongest = lines
    .filter((line) => line.winner || line.amount !== 0 || lines.length < LINES)
    .sort((a, b) => Number(b.winner) - Number(a.winner) || Math.abs(b.amount) - Math.abs(a.amount))
    .slice(0, LINES);
  const most = strongest.reduce((limit, line) => Math.max(limit, Math.abs(line.amount)), 1e-30);
  for (const line of strongest) line.share = Math.abs(line.amount) / most;
  const windows = ranked.filter(({ source }) => source.values.flat().length > 1).slice(0, WINDOWS).map(({ source }): Window => ({
    layer: source.layer, channel: source.channel, top: source.top, left: source.left,
    height: (source.values.length - 1) * down + 1, width: ((source.values[0]?.length ?? 1) - 1) * across + 1, // gaps included
  }));
  return { lines: strongest.reverse(), windows, cells };
}
