/** Where the network looked for a class: its input, lit by what speaks for the class, place by place. */

import { button, h } from "../dom";
import type { Api } from "../data/api";
import { figure } from "../data/number";
import { parseNpy } from "../data/npy";
import type { Tensor } from "../data/safetensors";
import { extent } from "../data/tensors";
import type { ModelDetail, Prediction, Run, SaliencyMethod } from "../data/wire";
import { lutFor, rangeFor } from "../draw/colour";
import { drawHeat } from "../draw/heat";
import { whenDrawable } from "../draw/ready";
import { currentTheme } from "../theme";
import { saveFile } from "./file";
import { legendView } from "./legend";
import { messageOf } from "./notices";
import { Patches } from "./patches";

/** What a method is called, what it shows, and whether it is there at once. */
const METHODS: Record<SaliencyMethod, { title: string; shows: string; quick: boolean }> = {
  cam: { title: "Class activation map", quick: true, shows: "The last maps, each times the weight that the class gives it, added up. Orange raises the score of the class, blue lowers it." },
  grad_cam: { title: "Grad-CAM", quick: true, shows: "The last maps, each times the mean gradient of the class's score over that map, added up; where the sum is below 0, nothing is shown. Orange raises the score of the class." },
  occlusion: { title: "Cover patches", quick: false, shows: "The network is asked again with one patch after the other covered. Orange: covered there, the class loses probability; blue: it gains." },
};

const WIDTH = 224; // CSS pixels

export class Looked {
  readonly element = h("section", { class: "looked", "aria-live": "off" }); // what speaks for the class is said already
  private readonly api: Api;
  private method: SaliencyMethod | null = null; // as the reader chose last
  private asked = new AbortController();
  private redraw: () => void = () => undefined;
  private photo: { run: string; bitmap: ImageBitmap } | null = null;
  /** A map that takes long is shown or on its way: a pointer at rest is no reason to ask for another. */
  dear = false;

  constructor(api: Api) {
    this.api = api;
    document.addEventListener("themechange", () => { this.redraw(); });
  }

  /** Nothing is shown, and what was asked for is not wanted any more. */
  clear(): void {
    this.asked.abort();
    this.redraw = () => undefined;
    this.dear = false;
    this.photo?.bitmap.close();
    this.photo = null;
    this.element.replaceChildren();
  }

  /** For one class of a run: at once where that is quick, or else when it is asked for. */
  show(model: ModelDetail, run: Run, prediction: Prediction): void {
    this.asked.abort();
    this.dear = false;
    const choose = (method: SaliencyMethod): void => {
      this.method = method;
      void this.load(model, run, prediction, method);
    };
    const methods = model.saliency.filter((one) => one in METHODS);
    const first = methods.find((one) => one === this.method && METHODS[one].quick) ?? methods.find((one) => METHODS[one].quick);
    const stood = first === undefined ? null : this.element.querySelector(".looked-place"); // stays until the next is here: nothing jumps
    this.element.setAttribute("aria-label", `Where it looked for ${prediction.label}`);
    this.element.replaceChildren(
      h("h3", {}, `Where it looked for “${prediction.label}”`),
      h("div", { class: "switches", role: "group", "aria-label": "Method" }, ...methods.map((method) =>
        button(METHODS[method].title, () => { choose(method); }, { "data-method": method, "aria-pressed": "false", title: METHODS[method].shows }))),
      stood ?? h("div", { class: "looked-place" }, ...methods.slice(0, 1).map((method) => h("p", {}, METHODS[method].shows))));
    if (first !== undefined) void this.load(model, run, prediction, first);
  }

  private async load(model: ModelDetail, run: Run, prediction: Prediction, method: SaliencyMethod): Promise<void> {
    this.asked.abort();
    const { signal } = (this.asked = new AbortController());
    for (const one of this.element.querySelectorAll<HTMLElement>("button[data-method]")) one.setAttribute("aria-pressed", String(one.dataset["method"] === method));
    this.dear = !METHODS[method].quick;
    const place = this.element.querySelector(".looked-place");
    place?.setAttribute("aria-busy", "true");
    const patches = METHODS[method].quick ? null : new Patches(() => this.api.saliencyProgress(run.id, method, prediction.index, signal));
    if (patches !== null) place?.replaceChildren(patches.element);
    try {
      const heat = parseNpy(await this.api.saliency(run.id, method, prediction.index, signal));
      const photo = this.photo?.run === run.id ? this.photo.bitmap : await this.api.input(run.id);
      if (signal.aborted) {
        if (photo !== this.photo?.bitmap) photo.close();
        return;
      }
      this.photo = { run: run.id, bitmap: photo }; // for the other classes and methods, and another theme
      place?.replaceChildren(...this.picture(photo, heat, model, run, prediction, method));
    } catch (error) {
      if (!signal.aborted) place?.replaceChildren(h("p", { class: "note" }, messageOf(error)));
    } finally {
      patches?.stop();
      if (!signal.aborted) place?.removeAttribute("aria-busy");
    }
  }

  private picture(photo: ImageBitmap, heat: Tensor<Float32Array>, model: ModelDetail, run: Run, prediction: Prediction, method: SaliencyMethod): HTMLElement[] {
    const [height = 1, width = 1] = heat.shape;
    const values = heat.data;
    const [low, high] = extent(values);
    const [, limit] = rangeFor("signed", low, high, low, high);
    const strongest = values.indexOf(high);
    const placeOf = (i: number): [row: number, column: number] => [Math.floor(i / width), i % width];
    const [row, column] = placeOf(strongest);
    const told = (i: number): string => `row ${placeOf(i)[0]}, column ${placeOf(i)[1]}: ${figure(values[i] ?? 0)}`;
    const most = high > 0 ? `Most at ${told(strongest)}${method === "occlusion" ? " of probability" : ""}` : "No place speaks for it";
    const canvas = h("canvas", { role: "img", "aria-label": `${METHODS[method].shows} ${most}.`, "data-method": method, "data-class": prediction.index, "data-row": row, "data-column": column, "data-strongest": high, "data-limit": limit });
    canvas.classList.toggle("coarse", width < WIDTH / 2);
    const legend = h("div");
    this.redraw = () => {
      const theme = currentTheme();
      drawHeat(canvas, photo, values, height, width, limit, lutFor("signed", theme));
      legend.replaceChildren(...(limit > 0 ? [legendView({ scale: "signed", theme }, -limit, limit, WIDTH)] : []));
    };
    whenDrawable(() => { this.redraw(); });
    const readout = h("output", { class: "readout" }, most);
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      const at = (offset: number, side: number, size: number): number => Math.min(Math.max(Math.floor((offset / side) * size), 0), size - 1);
      const under = at(event.clientY - box.top, box.height, height) * width + at(event.clientX - box.left, box.width, width);
      readout.textContent = `At ${told(under)}`;
      readout.dataset["value"] = String(values[under] ?? 0);
    });
    canvas.addEventListener("pointerleave", () => {
      readout.textContent = most;
      delete readout.dataset["value"];
    });
    const file = h("a", { href: this.api.saliencyUrl(run.id, method, prediction.index), download: `${model.id}-${method}-${prediction.index}.npy` }, "Its numbers, for numpy.load");
    const overlay = button("This picture (PNG)", () => {
      canvas.toBlob((blob) => { if (blob !== null) saveFile(blob, `${model.id}-${method}-${prediction.index}.png`); });
    }, { class: "tool" });
    return [canvas, legend, readout, h("p", {}, METHODS[method].shows), h("p", { class: "downloads" }, overlay, file)];
  }
}
