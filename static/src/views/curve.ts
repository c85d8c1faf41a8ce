/** An activation as a curve, with the point where this unit stands. */

import { h, svg } from "../dom";
import { ACTIVATION } from "../data/activation";
import { figure } from "../data/number";

const WIDTH = 132;
const HEIGHT = 76;
const MARGIN = 6;

/** The curve around 0 and `sum`, or null for an activation that has none here. */
export function curveView(activation: string, sum: number, value: number): HTMLElement | null {
  const curve = ACTIVATION[activation];
  if (curve === undefined || !Number.isFinite(sum)) return null;
  const reach = Math.max(4, Math.abs(sum) * 1.15);
  const samples = Array.from({ length: 81 }, (_, k) => -reach + (k / 40) * reach);
  const values = samples.map(curve);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const x = (at: number): number => MARGIN + ((at + reach) / (2 * reach)) * (WIDTH - 2 * MARGIN);
  const y = (at: number): number => HEIGHT - MARGIN - ((at - low) / (high - low || 1)) * (HEIGHT - 2 * MARGIN);
  const line = samples.map((at, k) => `${k === 0 ? "M" : "L"}${x(at).toFixed(1)} ${y(values[k] ?? 0).toFixed(1)}`).join("");
  return h("figure", { class: "curve" }, svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${activation.replace("_", " ")} at ${figure(sum)} gives ${figure(value)}` },
    svg("path", { class: "curve-axis", d: `M${MARGIN} ${y(0)}H${WIDTH - MARGIN}M${x(0)} ${MARGIN}V${HEIGHT - MARGIN}` }),
    svg("path", { class: "curve-line", d: line }),
    svg("path", { class: "curve-fall", d: `M${x(sum)} ${y(0)}V${y(value)}H${x(0)}` }),
    svg("circle", { class: "curve-point", cx: x(sum), cy: y(value), r: 4 })));
}
