/** Two runs side by side: two pictures through one network, or one picture through two networks. */

import { button, h } from "../dom";
import type { Api, Picture } from "../data/api";
import { matchLayer } from "../data/match";
import { percent } from "../data/number";
import type { Tensors } from "../data/tensors";
import type { Layer, Model, ModelDetail, Run } from "../data/wire";
import type { Look } from "./inspector";
import { Latest } from "../input/latest";
import { samplePicture } from "../input/picture";
import { sampleNamed, SAMPLES } from "../input/samples";
import { pairView } from "./pair";
import { messageOf } from "./notices";

/** One of the two: a network and its run. */
export interface Half {
  model: ModelDetail;
  run: Run;
}

/** What the right half shows, as the deep link keeps it. */
export interface Other {
  model: string;
  sample?: string;
  run?: string;
}

export interface CompareHost {
  models: () => readonly Model[];
  left: () => Half | null;
  picture: () => Promise<Picture> | null; // the left half's own picture, where this browser has it
  sample: () => string | undefined; // or its name, if it is a sample
  look: () => Look;
  changed: (other: Other | null) => void; // for the deep link
}

/** The choice "the same picture" in the list of pictures. */
const SAME = "=";

export class Compare {
  private readonly dialog: HTMLDialogElement;
  private readonly model = h("select", { "aria-label": "Network on the right", id: "compare-model", autofocus: true });
  private readonly picture = h("select", { "aria-label": "Picture on the right", id: "compare-picture" }, h("option", { value: SAME }, "The same picture"), ...SAMPLES.map((sample) => h("option", { value: sample.name }, sample.title)));
  private readonly answers = h("div", { class: "compare-answers" });
  private readonly leftLayer = h("select", { "aria-label": "Layer on the left, with its shape: C × H × W", title: "Layer and its shape, C × H × W", id: "compare-left" });
  private readonly rightLayer = h("select", { "aria-label": "Layer on the right, with its shape: C × H × W", title: "Layer and its shape, C × H × W", id: "compare-right" });
  private readonly order = h("input", { type: "checkbox", id: "compare-order" });
  private readonly maps = h("div", { class: "compare-maps", "aria-live": "polite" });
  private readonly words = h("p", { class: "note", role: "status" });
  private readonly work = new Latest<() => Promise<void>>((job) => job());
  private readonly api: Api;
  private readonly tensors: Tensors;
  private readonly host: CompareHost;
  private right: Half | null = null;

  constructor(api: Api, tensors: Tensors, host: CompareHost) {
    this.api = api;
    this.tensors = tensors;
    this.host = host;
    const chosen = (): void => { this.load({ model: this.model.value, ...(this.picture.value === SAME ? {} : { sample: this.picture.value }) }); };
    this.model.addEventListener("change", chosen);
    this.picture.addEventListener("change", chosen);
    this.leftLayer.addEventListener("change", () => { this.pair(); });
    this.rightLayer.addEventListener("change", () => { this.draw(); });
    this.order.addEventListener("change", () => { this.draw(); });
    const step = (by: number): void => {
      const at = this.leftLayer.selectedIndex + by;
      if (at < 0 || at >= this.leftLayer.length) return;
      this.leftLayer.selectedIndex = at;
      this.pair();
    };
    this.dialog = h("dialog", { class: "compare", "aria-label": "Compare two runs" },
      h("header", {}, h("h2", {}, "Compare"), this.words, button("×", () => { this.dialog.close(); }, { class: "tool", "aria-label": "Close" })),
      h("div", { class: "compare-choice" }, h("span", { class: "dim" }, "With"), this.model, h("span", { class: "dim" }, "on"), this.picture),
      this.answers,
      h("div", { class: "compare-layers" }, button("‹", () => { step(-1); }, { class: "tool", "aria-label": "Layer before" }), this.leftLayer, h("span", { class: "dim" }, "beside"), this.rightLayer,
        button("›", () => { step(1); }, { class: "tool", "aria-label": "Next layer" }), h("label", { class: "check" }, this.order, " Most different first")),
      this.maps);
    this.dialog.addEventListener("close", () => { this.host.changed(null); });
    document.body.append(this.dialog);
  }

  get open(): boolean {
    return this.dialog.open;
  }

  /** Opens with what a link names, or else with the left half's network on another picture. */
  show(other?: Other): void {
    const left = this.host.left();
    if (left === null) return;
    const runnable = this.host.models().filter((model) => model.weights.some((one) => one.id === model.default_weights && (one.bundled || one.ready)));
    this.model.replaceChildren(...runnable.map((model) => h("option", { value: model.id }, model.title)));
    this.dialog.showModal();
    const digit = left.model.input.channels === 1;
    const sample = SAMPLES.find((one) => (one.kind === "digit") === digit && one.name !== this.host.sample());
    this.load(other ?? { model: left.model.id, ...(sample === undefined ? {} : { sample: sample.name }) });
  }

  private load(other: Other): void {
    this.work.push(async () => {
      this.dialog.dataset["busy"] = "true";
      try {
        this.right = await this.fetch(other);
        this.model.value = this.right.model.id;
        this.picture.value = other.sample ?? SAME;
        this.words.textContent = "";
        if (!this.dialog.open) return; // closed meanwhile: the link says so already
        this.host.changed({ model: this.right.model.id, ...(other.sample === undefined ? { run: this.right.run.id } : { sample: other.sample }) });
        this.fillLayers();
        await this.redraw();
      } catch (error) {
        this.words.textContent = messageOf(error);
      } finally {
        this.dialog.dataset["busy"] = "false";
      }
    });
  }

  private async fetch(other: Other): Promise<Half> {
    if (other.run !== undefined) { // with the weights that it was made with, whose layers and sizes may be others
      const run = await this.api.run(other.run);
      return { model: await this.api.model(run.model, run.weights), run };
    }
    const left = this.host.left();
    const sample = sampleNamed(other.sample);
    if (sample === undefined && left?.model.id === other.model) return left;
    const picture = sample === undefined ? this.host.picture() : samplePicture(sample);
    if (picture === null) throw new Error("This browser has not got the picture of a link, only its run. Choose a sample, or upload the picture again.");
    if (left?.model.id === other.model) return { model: left.model, run: await this.api.createRun(left.model.id, left.run.weights, await picture, left.run.precision) };
    const model = await this.api.model(other.model, "");
    return { model, run: await this.api.createRun(model.id, model.default_weights, await picture) };
  }

  /** The network's title, with what of it the reader may have chosen: other weights than the usual, other arithmetic. */
  private titleOf({ model, run }: Half): string {
    const weights = model.weights.find((one) => one.id === run.weights);
    const other = run.weights === model.default_weights || weights === undefined ? [] : [weights.title];
    return [model.title, ...other, ...(run.precision === "int8" ? ["8 bits"] : [])].join(", ");
  }

  private fillLayers(): void {
    const left = this.host.left();
    if (left === null || this.right === null) return;
    const kept = this.leftLayer.value;
    const fill = (select: HTMLSelectElement, layers: readonly Layer[]): void => { select.replaceChildren(...layers.map((layer) => h("option", { value: layer.name }, `${layer.name} (${layer.shape.join("×")})`))); };
    fill(this.leftLayer, left.model.layers);
    fill(this.rightLayer, this.right.model.layers);
    const first = left.model.layers.find((layer) => layer.op === "conv") ?? left.model.layers[0];
    this.leftLayer.value = left.model.layers.some((layer) => layer.name === kept) ? kept : first?.name ?? "";
    this.match();
  }

  private match(): void {
    const left = this.host.left();
    const layer = left?.model.layers.find((one) => one.name === this.leftLayer.value);
    if (left === null || layer === undefined || this.right === null) return;
    this.rightLayer.value = matchLayer(layer, left.model.layers, this.right.model.layers)?.name ?? "";
  }

  private pair(): void {
    this.match();
    this.draw();
  }

  private draw(): void {
    this.work.push(() => this.redraw().catch((error: unknown) => { this.words.textContent = messageOf(error); }));
  }

  private async redraw(): Promise<void> {
    const [left, right] = [this.host.left(), this.right];
    const a = left?.model.layers.find((one) => one.name === this.leftLayer.value);
    const b = right?.model.layers.find((one) => one.name === this.rightLayer.value);
    if (left === null || right === null || a === undefined || b === undefined) return;
    this.answers.replaceChildren(this.answer(left, "Left"), this.answer(right, "Right"));
    const [first, second] = await Promise.all([this.tensors.get(left.run.id, a.name), this.tensors.get(right.run.id, b.name)]);
    const wide = this.maps.clientWidth;
    const width = wide < 700 ? wide : Math.floor((wide - 48) / 3);
    this.words.textContent = "";
    this.maps.replaceChildren(await pairView({ title: this.titleOf(left), layer: a, data: first.data }, { title: this.titleOf(right), layer: b, data: second.data }, { ...this.host.look(), differentFirst: this.order.checked, width }));
    Object.assign(this.maps.dataset, { left: a.name, right: b.name, leftRun: left.run.id, rightRun: right.run.id });
  }

  private answer(half: Half, side: string): HTMLElement {
    const weights = half.model.weights.find((one) => one.id === half.run.weights);
    const rows = half.run.predictions.slice(0, 3).map(({ label, probability }) => {
      const fill = h("span", { class: "bar-fill" });
      fill.style.width = `${Math.max(probability * 100, 0.3)}%`;
      return h("li", { "data-label": label, "data-probability": probability }, h("span", { class: "label" }, label), h("span", { class: "bar-track" }, fill), h("span", { class: "share" }, percent(probability)));
    });
    return h("section", { class: "compare-answer", "aria-label": `${side}: ${half.model.title}`, "data-run": half.run.id },
      h("img", { class: "seen", src: this.api.inputUrl(half.run.id), alt: `The picture as ${half.model.title} saw it`, width: 84, height: 84 }),
      h("div", {}, h("h3", {}, this.titleOf(half), weights?.trained === true ? "" : h("span", { class: "dim" }, " not trained")), h("ol", { class: weights?.trained === true ? "bars" : "bars untrained" }, ...rows)));
  }
}
