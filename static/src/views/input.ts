/** The input panel: draw pad, photo by upload, drop or paste, samples, and the picture as the network saw it. */

import { button, h } from "../dom";
import { duration } from "../data/number";
import { whenDrawable, whenStarted } from "../draw/ready";
import { Camera } from "./camera";
import { say } from "./notices";
import type { Stroke } from "../input/drawing";
import { holdPhoto } from "../input/picture";
import { Pad } from "../input/pad";
import { SAMPLES, type Sample } from "../input/samples";
import { paintedScene } from "../input/gallery";
import { asStrokes, drawInk } from "../input/ink";

export interface InputEvents {
  drawn: (strokes: readonly Stroke[], byHand: boolean) => void;
  photo: (file: Blob) => void;
  refused: (problem: unknown) => void;
  sample: (sample: Sample) => void;
}

export class InputPanel {
  readonly element: HTMLElement;
  readonly pad: Pad;
  private readonly seen = h("img", { class: "seen", alt: "The input as the network saw it", width: 84, height: 84 });
  private readonly seenFigure: HTMLElement;
  private readonly samples = h("div", { class: "samples", role: "group", "aria-label": "Samples" });

  constructor({ keepSeconds, maxBytes }: { keepSeconds: number; maxBytes: number }, events: InputEvents) {
    let taken = 0; // inputs so far: a photo that is read slowly is not put before a later one
    this.pad = new Pad((strokes, byHand) => {
      if (byHand) taken += 1;
      events.drawn(strokes, byHand);
    });
    const take = async (photo: Blob): Promise<void> => {
      const mine = ++taken;
      try {
        const held = await holdPhoto(photo, maxBytes);
        if (mine === taken) events.photo(held);
      } catch (problem) {
        if (mine === taken) events.refused(problem);
      }
    };
    const file = h("input", { type: "file", accept: "image/*", class: "visually-hidden", id: "file", tabindex: -1, "aria-label": "Photo to upload" });
    file.addEventListener("change", () => {
      const [photo] = file.files ?? [];
      if (photo !== undefined) void take(photo);
      file.value = ""; // the same file can be chosen again
    });
    const upload = button("Upload a photo", () => { file.click(); }, { class: "upload" });
    const camera = new Camera((photo) => { void take(photo); });
    this.seenFigure = h("figure", { class: "seen-figure", hidden: true }, this.seen, h("figcaption", {}, "As the network saw it"));
    for (const sample of SAMPLES) this.samples.append(sampleButton(sample, (chosen) => { taken += 1; events.sample(chosen); }));
    this.element = h("section", { class: "panel input" }, h("h2", {}, "Input"), this.pad.element, this.samples,
      h("div", { class: "photo-row" }, h("div", {}, h("div", { class: "photo-buttons" }, upload, camera.button), file, h("p", { class: "dim" }, "or drop or paste one anywhere")), this.seenFigure),
      h("p", { class: "note dim", "data-keep-seconds": keepSeconds }, `What you draw or upload is kept on this server for at most ${duration(keepSeconds)}, and goes nowhere else.`));
    listenForPhotos((photo) => { void take(photo); });
  }

  /** Shows the tools that suit a network of so many channels. */
  fit(channels: number): void {
    this.pad.element.hidden = channels !== 1;
    this.samples.dataset["first"] = channels === 1 ? "digit" : "scene";
  }

  /** Marks the sample in use, or none. */
  mark(name: string | undefined): void {
    for (const one of this.samples.querySelectorAll<HTMLElement>("[data-sample]")) one.setAttribute("aria-pressed", String(one.dataset["sample"] === name));
  }

  /** Shows the input picture of a run. */
  showSeen(url: string | null): void {
    this.seenFigure.hidden = url === null;
    if (url !== null && this.seen.getAttribute("src") !== url) this.seen.src = url;
  }
}

const THUMB = 56;

function sampleButton(sample: Sample, choose: (sample: Sample) => void): HTMLButtonElement {
  const picture = sample.kind === "scene" ? h("img", { alt: "", width: THUMB, height: THUMB }) : h("canvas", { width: 2 * THUMB, height: 2 * THUMB, "aria-hidden": "true" });
  if (sample.kind === "scene") whenStarted(() => { paintedScene(sample.name).then((painted) => { picture.setAttribute("src", URL.createObjectURL(painted)); }, say); });
  else whenDrawable(() => { // one after the other, so that the page answers between them
    const context = picture instanceof HTMLCanvasElement ? picture.getContext("2d", { willReadFrequently: true }) : null;
    if (context !== null) drawInk(context, 2 * THUMB, asStrokes(sample.strokes()), "#101418", "#f2f4f6");
  });
  const element = h("button", { type: "button", class: `sample ${sample.kind}`, "data-sample": sample.name, title: sample.title, "aria-label": `Sample: ${sample.title}`, "aria-pressed": "false" }, picture);
  element.addEventListener("click", () => { choose(sample); });
  return element;
}

/** Photos dropped or pasted anywhere on the page. */
function listenForPhotos(photo: (file: Blob) => void): void {
  const take = (files: FileList | undefined): boolean => {
    const [file] = files ?? [];
    if (file === undefined) return false;
    photo(file);
    return true;
  };
  document.addEventListener("paste", (event) => {
    if (take(event.clipboardData?.files)) event.preventDefault();
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    take(event.dataTransfer?.files);
  });
}
