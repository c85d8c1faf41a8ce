/** A small block of numbers as coloured cells, with the numbers in them where there is room. */

import { h } from "../dom";
import { brief } from "../data/number";
import type { Patch } from "../data/window";
import { cssColour, type Lut } from "../draw/colour";

export interface MatrixOptions {
  label: string;
  lut: Lut;
  limit: number; // the colours run from -limit to limit
  marked?: readonly [row: number, column: number]; // the winner of a maximum
  framed?: (index: number) => boolean; // cells that differ from what is wanted
  shape?: readonly [rows: number, columns: number]; // redraw a list of cells as a picture
  numbers?: boolean; // false: colours only
  words?: (row: number, column: number) => string; // a line above the number: how it came about
}

/** The largest magnitude of a block's finite numbers; 0 where all are 0. */
export function limitOf(rows: Patch): number {
  return rows.flat().reduce<number>((most, value) => (value !== null && Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
}

/** Above this many columns a number would not fit its cell. */
const NUMBERED_COLUMNS = 7;

/** Cells carry `data-row`, `data-column` and `data-value`; the label says what the block is. A cell of null lies outside the map. */
export function matrix(rows: Patch, options: MatrixOptions): HTMLElement {
  const cells = options.shape === undefined ? rows : reshape(rows.flat(), options.shape);
  const columns = Math.max(1, ...cells.map((row) => row.length));
  const numbered = options.numbers !== false && columns <= NUMBERED_COLUMNS;
  const grid = h("div", { class: `matrix${numbered ? " numbered" : ""}${options.words === undefined ? "" : " worded"}`, role: "img", "aria-label": `${options.label}, ${cells.length} by ${columns}` });
  grid.style.setProperty("--columns", String(columns));
  cells.forEach((row, y) => {
    row.forEach((value, x) => {
      if (value === null) {
        grid.append(h("span", { "data-row": y, "data-column": x, class: "outside", title: "outside the map" }));
        return;
      }
      const cell = h("span", { "data-row": y, "data-column": x, "data-value": value, title: String(value) });
      const { background, ink } = cssColour(options.lut, value, -options.limit, options.limit);
      cell.style.background = background;
      cell.style.color = ink;
      if (numbered && options.words !== undefined) cell.append(h("small", {}, options.words(y, x)), h("b", {}, brief(value)));
      else if (numbered) cell.textContent = brief(value);
      if (options.marked?.[0] === y && options.marked[1] === x) cell.className = "winner";
      if (options.framed?.(y * columns + x) === true) cell.className = "framed";
      grid.append(cell);
    });
  });
  return h("figure", { class: "block" }, grid, h("figcaption", {}, options.label, h("span", { class: "dim", title: "The colours run from minus this to this" }, options.limit > 0 ? ` · colours ±${brief(options.limit)}` : " · all 0")));
}

function reshape(values: readonly (number | null)[], [rows, columns]: readonly [number, number]): Patch {
  return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
}

export interface CellEvents {
  report: (row: number, column: number) => string; // what to say of the cell
  pick?: (row: number, column: number) => void; // walk to the cell
}

/** Lets pointer and arrow keys light one cell of every block, says which it is, and picks it by click or Enter. */
export function linkCells(blocks: HTMLElement, readout: HTMLElement, events: CellEvents): void {
  const first = blocks.querySelector<HTMLElement>(".matrix");
  const cells = [...(first?.querySelectorAll<HTMLElement>("[data-row]") ?? [])];
  const last = cells.at(-1)?.dataset ?? {};
  const [rows, columns] = [Number(last["row"] ?? 0) + 1, Number(last["column"] ?? 0) + 1];
  let at: [number, number] = [0, 0];

  const light = (row: number, column: number): void => {
    at = [row, column];
    for (const lit of blocks.querySelectorAll(".lit")) lit.classList.remove("lit");
    for (const same of blocks.querySelectorAll(`[data-row="${row}"][data-column="${column}"]`)) same.classList.add("lit");
    readout.textContent = events.report(row, column);
    first?.setAttribute("aria-valuenow", String(row * columns + column));
    first?.setAttribute("aria-valuetext", `row ${row}, column ${column}: ${readout.textContent}`);
  };
  const under = (event: Event): [number, number] | null => {
    const cell = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-row]")?.dataset : undefined;
    return cell === undefined ? null : [Number(cell["row"]), Number(cell["column"])];
  };
  blocks.addEventListener("pointerover", (event) => {
    const cell = under(event);
    if (cell !== null) light(...cell);
  });
  if (events.pick !== undefined) {
    blocks.classList.add("pickable");
    blocks.addEventListener("click", (event) => {
      const cell = under(event);
      if (cell !== null) events.pick?.(...cell);
    });
  }
  if (first === null) return;
  for (const [name, value] of Object.entries({ role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-valuemax": String(rows * columns - 1), "aria-valuenow": "0" })) first.setAttribute(name, value);
  first.addEventListener("focus", () => { light(...at); });
  first.addEventListener("keydown", (event) => {
    const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (move !== undefined) light(clamp(at[0] + (move[0] ?? 0), rows), clamp(at[1] + (move[1] ?? 0), columns));
    else if (event.key === "Enter" && events.pick !== undefined) events.pick(...at);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

const clamp = (value: number, size: number): number => Math.min(Math.max(value, 0), size - 1);
