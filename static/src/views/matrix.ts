/** A small block of numbers as coloured cells, with the numbers in them where there is room. */

import { h } from "../dom";
import { brief } from "../data/number";
import { cssColour, type Lut } from "../draw/colour";

export interface MatrixOptions {
  label: string;
  lut: Lut;
  limit: number; // the colours run from -limit to limit
  marked?: readonly [row: number, column: number]; // the winner of a maximum
  shape?: readonly [rows: number, columns: number]; // redraw a list of cells as a picture
  numbers?: boolean; // false: colours only
}

/** Above this many columns a number would not fit its cell. */
const NUMBERED_COLUMNS = 7;

/** Cells carry `data-row`, `data-column` and `data-value`; the label says what the block is. */
export function matrix(rows: readonly (readonly number[])[], options: MatrixOptions): HTMLElement {
  const cells = options.shape === undefined ? rows : reshape(rows.flat(), options.shape);
  const columns = Math.max(1, ...cells.map((row) => row.length));
  const numbered = options.numbers !== false && columns <= NUMBERED_COLUMNS;
  const grid = h("div", { class: numbered ? "matrix numbered" : "matrix", role: "img", "aria-label": `${options.label}, ${cells.length} by ${columns}` });
  grid.style.setProperty("--columns", String(columns));
  cells.forEach((row, y) => {
    row.forEach((value, x) => {
      const cell = h("span", { "data-row": y, "data-column": x, "data-value": value, title: String(value) });
      const { background, ink } = cssColour(options.lut, value, -options.limit, options.limit);
      cell.style.background = background;
      cell.style.color = ink;
      if (numbered) cell.textContent = brief(value);
      if (options.marked?.[0] === y && options.marked[1] === x) cell.className = "winner";
      grid.append(cell);
    });
  });
  return h("figure", { class: "block" }, grid, h("figcaption", {}, options.label));
}

function reshape(values: readonly number[], [rows, columns]: readonly [number, number]): number[][] {
  return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
}

/** Lets a pointer over one cell light the same cell of every block, and reports which it is. */
export function linkCells(blocks: HTMLElement, report: (row: number, column: number) => void): void {
  const light = (event: Event): void => {
    const cell = event.target instanceof HTMLElement ? event.target.dataset : {};
    for (const lit of blocks.querySelectorAll(".lit")) lit.classList.remove("lit");
    if (cell["row"] === undefined || cell["column"] === undefined) return;
    for (const same of blocks.querySelectorAll(`[data-row="${cell["row"]}"][data-column="${cell["column"]}"]`)) same.classList.add("lit");
    report(Number(cell["row"]), Number(cell["column"]));
  };
  blocks.addEventListener("pointerover", light);
}
