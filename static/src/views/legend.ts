/** A legend: the colours of a scale with the numbers at their ends, and zero where it lies between them. */

import { h } from "../dom";
import type { Maps } from "../data/maps";
import { figure } from "../data/number";
import { lutFor, type Scale, type Theme } from "../draw/colour";
import { drawLegend } from "../draw/maps";
import { whenDrawable } from "../draw/ready";

const HEIGHT = 8;

/** What the colours mean where maps share no range; null where they do. A map of one value has none of its own. */
export function eachMap(scale: Scale, maps: Maps): string | null {
  return scale === "map" && maps.channels > 1 && maps.height * maps.width > 1 ? "each map from its own minimum to its own maximum" : null;
}

/** `from` and `to` are the values at the ends; they are also in data-from and data-to. */
export function legendView(look: { scale: Scale; theme: Theme; gamma?: number }, from: number, to: number, width: number): HTMLElement {
  const strip = h("canvas", { role: "img", "aria-label": `Colours from ${figure(from)} to ${figure(to)}` });
  strip.style.height = `${HEIGHT}px`;
  whenDrawable(() => { drawLegend(strip, width, HEIGHT, lutFor(look.scale, look.theme, look.gamma)); });
  const numbers = h("div", { class: "legend-numbers" }, h("span", {}, figure(from)));
  const zero = (0 - from) / (to - from);
  if (zero > 0.15 && zero < 0.85) {
    const mark = h("span", { class: "legend-zero" }, "0");
    mark.style.left = `${zero * 100}%`;
    numbers.append(mark);
  }
  numbers.append(h("span", {}, figure(to)));
  const legend = h("div", { class: "legend", "data-from": from, "data-to": to }, strip, numbers);
  legend.style.width = `${width}px`;
  return legend;
}
