/** Drawing one row of the graph rail: curves into and out of the layer's node, and lines of what passes by. */

import { h, svg } from "../dom";
import type { RailRow, Wire } from "../layout/rail";

const LANE = 15;
const HEAD = 46;
const NODE = 24; // how far below the row's top its node stands

const centre = (lane: number): number => 9 + lane * LANE;

/** Width of a rail with so many lanes, in CSS pixels. */
export function railWidth(lanes: number): number {
  return centre(lanes - 1) + 11;
}

export function drawRail(row: RailRow, lanes: number): HTMLElement {
  const width = railWidth(lanes);
  const x = centre(row.lane);
  const path = (wire: Wire, d: string): SVGPathElement => svg("path", { d, class: wire.shortcut ? "wire shortcut" : "wire" });
  const curve = (fromX: number, fromY: number, toX: number, toY: number): string => {
    const middle = (fromY + toY) / 2;
    return `M${fromX} ${fromY} C${fromX} ${middle} ${toX} ${middle} ${toX} ${toY}`;
  };
  const head = svg("svg", { width, height: HEAD, "aria-hidden": "true" },
    ...row.passing.map((wire) => path(wire, `M${centre(wire.lane)} 0 V${HEAD}`)),
    ...row.incoming.map((wire) => path(wire, curve(centre(wire.lane), 0, x, NODE))),
    ...row.outgoing.map((wire) => path(wire, curve(x, NODE, centre(wire.lane), HEAD))),
    svg("circle", { cx: x, cy: NODE, r: 4.5, class: "node" }));
  const tail = svg("svg", { class: "tail", width, viewBox: `0 0 ${width} 10`, preserveAspectRatio: "none", "aria-hidden": "true" },
    ...[...row.passing, ...row.outgoing].map((wire) => path(wire, `M${centre(wire.lane)} 0 V10`)));
  const rail = h("div", { class: "rail" });
  rail.append(head, tail);
  return rail;
}
