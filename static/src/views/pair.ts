/** One layer of two runs side by side: both layers' maps, and their difference where the shapes agree. */

import { breathe, h } from "../dom";
import { difference } from "../data/match";
import { channelOrder, type Maps } from "../data/maps";
import { count, figure, shapeText } from "../data/number";
import { mapsOf } from "../data/shrink";
import type { Layer } from "../data/wire";
import { lutFor, rangeFor, type Scale, type Theme } from "../draw/colour";
import { drawTiles } from "../draw/maps";
import { layoutTiles } from "../layout/tiles";
import { eachMap, legendView } from "./legend";

export interface Side {
  title: string;
  layer: Layer;
  data: Float32Array;
}

export interface PairLook {
  scale: Scale;
  theme: Theme;
  gamma?: number;
  differentFirst: boolean;
  width: number; // CSS pixels of one column
}

const TILE = 64;

/** Made in pieces, between which the page answers: a layer may have millions of numbers. */
export async function pairView(a: Side, b: Side, look: PairLook): Promise<HTMLElement> {
  const same = a.layer.shape.join() === b.layer.shape.join();
  const maps = [await mapsOf(a.data, a.layer.shape, TILE), await mapsOf(b.data, b.layer.shape, TILE)];
  if (same) share(maps);
  const found = same ? difference(a.data, b.data) : null;
  await breathe();
  const third = found === null ? null : await mapsOf(found.values, a.layer.shape, TILE);
  const order = third !== null && look.differentFirst ? byDifference(third) : null;
  const columns = [a, b].map((side, index) => {
    const own = maps[index];
    return own === undefined ? h("div", {}) : column(`${side.title}: ${side.layer.name}`, own, side.layer, order, look, "");
  });
  const words = found === null || third === null
    ? h("div", { class: "pair-column" }, h("h3", {}, "Difference"), h("p", { class: "note" }, `${shapeText(a.layer.shape)} and ${shapeText(b.layer.shape)} (C × H × W) are different shapes, so there is no difference cell by cell. Choose another layer on either side.`))
    : column("Difference, left less right", third, a.layer, order, { ...look, scale: "signed" },
      `Mean |difference| ${figure(found.mean)}, largest ${figure(found.largest)}${Number.isFinite(found.correlation) ? `, correlation ${found.correlation.toFixed(3)}` : ""}, over ${count(found.values.length)} numbers.`);
  const view = h("div", { class: "pair-columns", "data-same": String(same) }, ...columns, words);
  if (found !== null) Object.assign(view.dataset, { mean: String(found.mean), largest: String(found.largest), correlation: String(found.correlation) });
  return view;
}

/** Gives both the range of the two together, so that one colour means one value. */
function share(maps: Maps[]): void {
  const low = Math.min(...maps.map((one) => one.low));
  const high = Math.max(...maps.map((one) => one.high));
  for (const one of maps) Object.assign(one, { low, high });
}

function byDifference(maps: Maps): number[] {
  const size = (channel: number): number => Math.max(Math.abs(maps.min[channel] ?? 0), Math.abs(maps.max[channel] ?? 0));
  return channelOrder(maps, false).sort((x, y) => size(y) - size(x) || x - y);
}

function column(title: string, maps: Maps, layer: Layer, order: number[] | null, look: PairLook, words: string): HTMLElement {
  const [channels, height, width] = [maps.channels, layer.shape[1] ?? 1, layer.shape[2] ?? 1];
  const canvas = h("canvas", { role: "img", "aria-label": `${title}, ${count(channels)} maps` });
  drawTiles(canvas, maps, layoutTiles(channels, height, width, look.width), order ?? channelOrder(maps, false), { scale: look.scale, lut: lutFor(look.scale, look.theme, look.gamma) });
  const each = eachMap(look.scale, maps);
  const [from, to] = rangeFor(look.scale, maps.low, maps.high, maps.low, maps.high);
  return h("div", { class: "pair-column" }, h("h3", {}, title), h("p", { class: "dim" }, `${shapeText(layer.shape)} (C × H × W)`), canvas,
    legendView(look, from, to, Math.min(look.width, 200)), ...(each === null ? [] : [h("p", { class: "note dim" }, each)]), h("p", { class: "note" }, words));
}
