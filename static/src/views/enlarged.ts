/** One exact map, enlarged: pointer or arrow keys choose a pixel. */

import { h } from "../dom";
import { figure } from "../data/number";
import type { Layer } from "../data/wire";
import type { Lut } from "../draw/colour";
import { drawMap } from "../draw/maps";

export interface EnlargedMap {
  layer: Layer;
  unit: readonly number[]; // [c] or [c, y, x]
  values: Float32Array; // (H, W)
  height: number;
  width: number;
  range: readonly [number, number];
  lut: Lut;
  side: number; // longest side in CSS pixels
}

export function enlargedView(map: EnlargedMap, choose: (unit: number[]) => void): HTMLElement {
  const { layer, unit, values, height, width, side } = map;
  const longer = Math.max(height, width);
  const zoom = longer <= side ? Math.floor(side / longer) : side / longer;
  const channel = unit[0] ?? 0;
  const [y = 0, x = 0] = unit.slice(1);
  const at = (row: number, column: number): number => values[row * width + column] ?? 0;
  const text = (row: number, column: number): string => `row ${row}, column ${column}: ${figure(at(row, column))}`;
  const canvas = h("canvas", {
    tabindex: 0, role: "slider", "data-focus": "map", "data-layer": layer.name, "data-channel": channel,
    "aria-label": `Pixels of ${layer.name} map ${channel}`, "aria-valuemin": 0, "aria-valuemax": height * width - 1,
    "aria-valuenow": y * width + x, "aria-valuetext": text(y, x),
  });
  drawMap(canvas, values, height, width, zoom, map.range, map.lut);
  const readout = h("output", { class: "readout" }, unit.length === 3 ? text(y, x) : "\u00a0");
  if (unit.length === 3) readout.dataset["value"] = String(at(y, x));
  const frame = h("div", { class: "map-frame" }, canvas);
  if (unit.length === 3) {
    const cell = h("span", { class: "cell-mark" });
    Object.assign(cell.style, { left: `${x * zoom}px`, top: `${y * zoom}px`, width: `${zoom}px`, height: `${zoom}px` });
    frame.append(cell);
  }
  const under = (event: MouseEvent): [number, number] => {
    const box = canvas.getBoundingClientRect();
    const clamp = (value: number, size: number): number => Math.min(Math.max(Math.floor(value / zoom), 0), size - 1);
    return [clamp(event.clientY - box.top, height), clamp(event.clientX - box.left, width)];
  };
  canvas.addEventListener("pointermove", (event) => {
    const [row, column] = under(event);
    readout.textContent = text(row, column);
    readout.dataset["value"] = String(at(row, column));
  });
  canvas.addEventListener("click", (event) => { choose([channel, ...under(event)]); });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0], Enter: [0, 0], " ": [0, 0] }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const first = unit.length < 3; // the first key shows where the cursor is
    const row = first ? y : Math.min(Math.max(y + (move[0] ?? 0), 0), height - 1);
    const column = first ? x : Math.min(Math.max(x + (move[1] ?? 0), 0), width - 1);
    choose([channel, row, column]);
  });
  return h("div", { class: "enlarged" }, frame, readout);
}
