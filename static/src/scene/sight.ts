/** What the camera sees of a network: which layers, how large, and where a unit stands on the screen. No drawing. */

import { sizeOf } from "../data/maps";
import type { Layer } from "../data/wire";
import type { Camera } from "../layout/camera";
import { blockCentre, inWindow, nearestPoint, type Hit } from "../layout/pick";
import type { Mark } from "./paper";
import { PICTURE, type World } from "./world";

const sees = (world: World, camera: Camera, name: string): boolean => {
  const plate = world.plate(name);
  return plate !== undefined && inWindow(plate, camera);
};

/** Where a unit is seen, and how far away; null where it is not: hidden, folded, or behind the eye. */
export function unitSpot(world: World, camera: Camera, layer: string, unit: readonly number[]): [x: number, y: number, depth: number] | null {
  const plate = world.plate(layer);
  if (plate === undefined || plate.folded) return null;
  const [channel = 0, row = 0, column = 0] = unit;
  return camera.project(blockCentre(plate, { slot: world.slotOf(layer, channel), row, column }));
}

/** The unit that was hit, of a map of the network; a folded layer's stands for none of its channels. */
export function markOf(world: World | null, hit: Hit | null): { mark: Mark; folded: boolean } | null {
  if (world === null || hit?.cell == null || hit.plate.name === PICTURE) return null;
  const { plate: { name, folded }, cell: { slot, row, column } } = hit;
  return { mark: { layer: name, channel: folded ? 0 : world.channelAt(name, slot), row, column }, folded };
}

/** Those in view, then the others; each in the order of the table. */
export function seenFirst(layers: readonly Layer[], world: World, camera: Camera): Layer[] {
  const seen = new Set(layers.filter((layer) => sees(world, camera, layer.name)));
  return [...layers.filter((layer) => seen.has(layer)), ...layers.filter((layer) => !seen.has(layer))];
}

/** Pixels that one map of each layer in view takes on the screen; nearest to the middle first. `ratio`: of the screen. */
export function wishesOf(layers: readonly Layer[], world: World, camera: Camera, ratio: number): { layer: Layer; tile: number }[] {
  const found: { layer: Layer; tile: number; off: number }[] = [];
  for (const layer of layers) {
    const plate = world.plate(layer.name);
    if (plate === undefined || !sees(world, camera, layer.name)) continue;
    const at = camera.project(nearestPoint(plate, camera.pose.target));
    if (at === null) continue;
    const [, height, width] = sizeOf(layer);
    const tile = (Math.max(plate.tileWide, plate.tileDeep) * camera.focal * ratio) / at[2];
    if (Math.max(height, width) > 1) found.push({ layer, tile, off: Math.hypot(at[0] - camera.centre[0], at[1] - camera.centre[1]) });
  }
  return found.sort((a, b) => a.off - b.off).map(({ layer, tile }) => ({ layer, tile }));
}
