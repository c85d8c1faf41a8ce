/** The number under the pointer: where it lies, its exact value, and the lines to what feeds it.
 *
 * The value comes from the explanation of the unit, never from a shrunk tile. What is chosen (the unit in the panel)
 * keeps its lines while nothing is hovered.
 */

import { h } from "../dom";
import type { Api } from "../data/api";
import { Problem } from "../data/api";
import { willPass } from "../data/server";
import { count, figure } from "../data/number";
import type { Explanation, Layer, ModelDetail, Run } from "../data/wire";
import { Latest } from "../input/latest";
import type { Mark } from "../scene/paper";
import { raysOf, type RayLine } from "../scene/rays";
import type { Theatre } from "../scene/theatre";

/** Explanations kept of a run, so that going back and forth asks nothing again. */
const KEPT = 120;

/** How long the pointer stays before its number is asked for, in milliseconds. */
const PAUSE = 40;

export class Reading {
  private readonly element: HTMLElement;
  private readonly api: Api;
  private readonly theatre: Theatre;
  private readonly asks: Latest<Mark>;
  private readonly known = new Map<string, Explanation | Problem>();
  private readonly place = h("span", { class: "reading-place" });
  private readonly value = h("strong", { class: "reading-value" });
  private readonly note = h("span", { class: "reading-note" });
  private readonly hovered: (layer: string | undefined) => void;
  private model: ModelDetail | null = null;
  private run: Run | null = null;
  private runs = false; // whether there are numbers to wait for
  private pause = 0;

  constructor(element: HTMLElement, api: Api, theatre: Theatre, hovered: (layer: string | undefined) => void) {
    this.element = element;
    this.api = api;
    this.theatre = theatre;
    this.hovered = hovered;
    this.asks = new Latest((mark) => this.ask(mark));
    element.append(this.place, this.value, this.note);
  }

  /** Another run: what is marked stays marked, with its new numbers. `runs`: the weights have numbers, or will have. */
  setRun(model: ModelDetail, run: Run | null, runs: boolean): void {
    if (model !== this.model) this.element.hidden = true;
    this.model = model;
    this.run = run;
    this.runs = runs;
    this.known.clear();
    if ((this.theatre.marks.hovered ?? this.theatre.marks.chosen) !== null) this.follow();
  }

  /** The pointer is over a cell, or over none. `folded`: over the mean of a layer's maps. */
  hover(mark: Mark | null, folded: boolean, x: number, y: number): void {
    this.element.hidden = mark === null;
    if (mark !== null) this.standAt(x, y);
    if (same(mark, this.theatre.marks.hovered) && mark !== null) return;
    this.theatre.marks.hovered = folded ? null : mark;
    this.hovered(mark?.layer);
    const layer = this.layer(mark?.layer);
    if (mark === null || layer === undefined) {
      this.follow();
      return;
    }
    const unit = unitOf(layer, mark);
    this.place.textContent = folded ? `${layer.name}: mean of ${count(layer.shape[0] ?? 1)} maps, folded` : `${layer.name} ${placeWords(layer, mark, this.model?.labels ?? [])}`;
    Object.assign(this.element.dataset, { layer: layer.name, unit: folded ? "" : unit.join(","), value: "" });
    this.value.textContent = "";
    this.note.textContent = folded ? "Click to open" : this.run !== null ? "…" : this.runs ? "Its numbers are on their way" : "No numbers: this is a structure only";
    if (folded) this.follow();
    else this.want(mark);
  }

  /** The unit in the panel, or none. */
  choose(mark: Mark | null): void {
    this.theatre.choose(mark);
    this.follow();
  }

  /** Asks for what is marked: the hovered cell, or else the chosen one. */
  private follow(): void {
    const { marks } = this.theatre;
    const mark = marks.hovered ?? marks.chosen;
    if (mark === null) {
      window.clearTimeout(this.pause);
      Object.assign(marks, { rays: null, raysFrom: null, field: null });
      this.theatre.refresh();
    } else this.want(mark);
  }

  private want(mark: Mark): void {
    this.theatre.refresh();
    window.clearTimeout(this.pause);
    if (this.run === null) return;
    const known = this.known.get(this.key(mark));
    if (known !== undefined) this.tell(mark, known);
    else this.pause = window.setTimeout(() => { this.asks.push(mark); }, PAUSE);
  }

  private async ask(mark: Mark): Promise<void> {
    const { run } = this;
    const layer = this.layer(mark.layer);
    if (run === null || layer === undefined) return;
    let told: Explanation | Problem;
    try {
      told = await this.api.explanation(run.id, layer.name, unitOf(layer, mark));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      told = error;
    }
    if (run !== this.run) return;
    if (this.known.size > KEPT) this.known.clear();
    const passes = told instanceof Problem && (told.status === 0 || willPass(told) || told.is("run-not-found"));
    if (!passes) this.known.set(this.key(mark), told);
    this.tell(mark, told);
  }

  private tell(mark: Mark, told: Explanation | Problem): void {
    const { marks } = this.theatre;
    if (!same(mark, marks.hovered ?? marks.chosen) || this.model === null) return;
    if (told instanceof Problem) {
      Object.assign(marks, { rays: null, raysFrom: null, field: null });
      if (same(mark, marks.hovered)) this.note.textContent = told.message;
    } else {
      const rays = raysOf(told, this.model);
      Object.assign(marks, { rays, raysFrom: mark, field: told.receptive_field });
      if (same(mark, marks.hovered)) {
        this.value.textContent = figure(told.value);
        this.element.dataset["value"] = String(told.value);
        this.note.textContent = feeding(rays.lines, rays.cells);
      }
    }
    this.theatre.refresh();
  }

  /** Above the pointer, as what feeds a cell lies below it; beside it where there is no room. */
  private standAt(x: number, y: number): void {
    const right = x > window.innerWidth - 300;
    const above = y > 150;
    this.element.style.transform = `translate(${right ? x - 14 : x + 14}px, ${above ? y - 14 : y + 22}px) translate(${right ? "-100%" : "0"}, ${above ? "-100%" : "0"})`;
  }

  private layer(name: string | undefined): Layer | undefined {
    return this.model?.layers.find((layer) => layer.name === name);
  }

  private key(mark: Mark): string {
    return `${mark.layer}/${mark.channel}/${mark.row}/${mark.column}`;
  }
}

function same(a: Mark | null, b: Mark | null): boolean {
  return a === b || (a !== null && b !== null && a.layer === b.layer && a.channel === b.channel && a.row === b.row && a.column === b.column);
}

/** The unit as the API writes it: [c, y, x], or [i] of a vector. */
export function unitOf(layer: Layer, mark: Mark): number[] {
  return layer.shape.length < 3 ? [mark.channel] : [mark.channel, mark.row, mark.column];
}

function placeWords(layer: Layer, mark: Mark, labels: readonly string[]): string {
  if (layer.shape.length === 3) return `map ${mark.channel}, row ${mark.row}, column ${mark.column}`;
  const label = labels.length === layer.shape[0] ? labels[mark.channel] : undefined;
  return `unit ${mark.channel}${label === undefined ? "" : ` “${label}”`}`;
}

/** How many cells feed a number, and what the lines' colours mean, where there are both. */
function feeding(lines: readonly RayLine[], cells: number): string {
  if (cells === 0) return "a number of the input";
  const drawn = lines.length < cells ? `; the strongest ${count(lines.length)} are drawn` : "";
  const colours = lines.some((line) => line.winner) ? "; the thick line is the winner's" : lines.some((line) => line.amount < 0) ? "; orange adds, blue takes away" : "";
  return `fed by ${count(cells)} ${cells === 1 ? "cell" : "cells"}${drawn}${colours}`;
}
