/** A radial-basis unit: the layer below and the unit's fixed code as two pictures, and where they disagree. */

import { h } from "../dom";
import { count } from "../data/number";
import type { Explanation } from "../data/wire";
import { lutFor, type Theme } from "../draw/colour";
import { uprightShape } from "../layout/tiles";
import { limitOf, matrix } from "./matrix";

/** Cells of the code and of the layer below that have the same sign, and those that have not. */
export function agreement(explanation: Explanation): { agree: number; differ: number; differs: boolean[] } {
  const differs = explanation.sources.flatMap((source) => source.values.flatMap((row, y) => row.map((value, x) => value * (source.weights?.[y]?.[x] ?? 0) < 0)));
  const differ = differs.filter(Boolean).length;
  return { agree: differs.length - differ, differ, differs };
}

export function codeView(explanation: Explanation, theme: Theme): HTMLElement {
  const values = explanation.sources.flatMap((source) => source.values.flat());
  const code = explanation.sources.flatMap((source) => (source.weights ?? []).flat());
  const squares = values.map((value, index) => (value - (code[index] ?? 0)) ** 2);
  const shape = uprightShape(values.length);
  const lut = lutFor("signed", theme);
  const limit = limitOf([values, code]);
  const { agree, differ, differs } = agreement(explanation);
  const framed = (index: number): boolean => differs[index] === true;
  const below = explanation.sources[0]?.layer ?? "below";
  return h("figure", { class: "code", "data-agree": agree, "data-differ": differ },
    h("div", { class: "code-pictures" },
      matrix([values], { label: below, lut, limit, shape, numbers: false, framed }),
      matrix([code], { label: "Fixed code", lut, limit, shape, numbers: false, framed }),
      matrix([squares], { label: "Difference²", lut, limit: limitOf([squares]), shape, numbers: false, framed })),
    h("figcaption", {}, `${count(agree)} of ${count(values.length)} cells have the sign that the code wants; ${differ === 0 ? "none differs" : `${count(differ)} framed ${differ === 1 ? "one differs" : "ones differ"}`}.`));
}
