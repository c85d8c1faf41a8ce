/** How maps are joined, drawn from the graph: the connection table, the branches of a concatenation. */

import { button, h } from "../dom";
import { branchesOf } from "../data/lineage";
import { sizeOf } from "../data/maps";
import { count } from "../data/number";
import type { Layer } from "../data/wire";

export type Walk = (layer: string, unit: number[]) => void;

/** Tables up to this many cells are drawn; larger ones would be a carpet. */
const CELLS = 1200;

/** The connection table: input maps down, this layer's maps across, the column of `channel` marked. */
export function tableView(layer: Layer, channel: number): HTMLElement | null {
  const { table } = layer;
  const [maps] = sizeOf(layer);
  if (!table || table.length * maps > CELLS) return null;
  const source = layer.inputs[0] ?? "";
  const across = Array.from({ length: maps }, (_, map) => map);
  const own = table.flatMap((joined, input) => (joined.includes(channel) ? [input] : []));
  const mark = (map: number): { class?: string } => (map === channel ? { class: "own" } : {});
  const head = h("tr", {}, h("td", {}), ...across.map((map) => h("th", { scope: "col", ...mark(map) }, String(map))));
  const rows = table.map((joined, input) => h("tr", {}, h("th", { scope: "row" }, String(input)),
    ...across.map((map) => h("td", { ...mark(map), "data-joined": String(joined.includes(map)) }, joined.includes(map) ? h("span", { class: "joined" }, "×") : ""))));
  return h("figure", { class: "join-table", "data-own": own.join(",") },
    h("figcaption", {}, `Map ${channel} is joined to ${own.length} of the ${table.length} maps of ${source}: ${own.join(", ")}.`),
    h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": `Connection table of ${layer.name}` },
      h("table", {}, h("caption", { class: "visually-hidden" }, `Rows: maps of ${source}. Columns: maps of ${layer.name}.`), h("thead", {}, head), h("tbody", {}, ...rows))),
    h("p", { class: "dim" }, `Rows: maps of ${source}. Columns: maps of ${layer.name}; this one's is marked.`));
}

/** The branches of a concatenation as one strip, wide by their number of maps, with the place of `channel`. */
export function branchesView(layer: Layer, layers: readonly Layer[], unit: readonly number[], walk: Walk): HTMLElement {
  const branches = branchesOf(layer, layers);
  const [channel = 0, ...place] = unit;
  const rows = branches.map((branch) => {
    const own = channel >= branch.first && channel < branch.first + branch.count;
    const bar = h("span", { class: "branch-bar" });
    bar.style.flexGrow = String(branch.count);
    if (own) {
      const point = h("span", { class: "branch-point" });
      point.style.left = `${((channel - branch.first + 0.5) / branch.count) * 100}%`;
      bar.append(point);
    }
    const text = `maps ${branch.first} to ${branch.first + branch.count - 1}${own ? `; map ${channel} is its map ${channel - branch.first}` : ""}`;
    const go = button(branch.layer, () => { walk(branch.layer, own ? [channel - branch.first, ...place] : [0, ...place]); }, { class: "branch-name" });
    return { bar, line: h("li", own ? { class: "own" } : {}, go, h("span", {}, text)) };
  });
  return h("figure", { class: "branches" },
    h("figcaption", {}, `${count(sizeOf(layer)[0])} maps out of ${branches.length} branches, side by side:`),
    h("div", { class: "branch-strip", "aria-hidden": "true" }, ...rows.map(({ bar }) => bar)),
    h("ul", {}, ...rows.map(({ line }) => line)));
}
