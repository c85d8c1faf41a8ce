/** The receptive field of a unit, drawn over the picture as the network saw it. */

import { h, svg } from "../dom";
import type { Explanation, Model } from "../data/wire";

/** `url` is the input picture; the field may reach outside it, and is drawn so. */
export function fieldView(url: string, input: Model["input"], field: Explanation["receptive_field"]): HTMLElement {
  const { height, width } = input;
  const { top, left } = field;
  const box = {
    top: Math.min(0, top), left: Math.min(0, left),
    bottom: Math.max(height, top + field.height), right: Math.max(width, left + field.width),
  };
  // A field many times larger than the picture would leave nothing to see: show at most one picture around it.
  const view = {
    top: Math.max(box.top, -height / 2), left: Math.max(box.left, -width / 2),
    bottom: Math.min(box.bottom, 1.5 * height), right: Math.min(box.right, 1.5 * width),
  };
  const line = Math.max(view.bottom - view.top, view.right - view.left) / 110;
  const drawing = svg("svg", {
    class: "field", role: "img",
    "aria-label": `Receptive field: ${field.height} by ${field.width} input pixels from row ${top}, column ${left}`,
    viewBox: `${view.left - line} ${view.top - line} ${view.right - view.left + 2 * line} ${view.bottom - view.top + 2 * line}`,
  },
  svg("image", { href: url, x: 0, y: 0, width, height, preserveAspectRatio: "none" }),
  svg("rect", { class: "field-picture", x: 0, y: 0, width, height, "stroke-width": line / 2 }),
  svg("rect", { class: "field-box", x: left, y: top, width: field.width, height: field.height, "stroke-width": line }));
  const outside = top < 0 || left < 0 || top + field.height > height || left + field.width > width;
  return h("figure", { class: "field-view" }, drawing, h("figcaption", {},
    `Sees ${field.height} × ${field.width} input pixels from row ${top}, column ${left}${outside ? "; outside the picture is padding" : ""}.`));
}
