/** The gamma of the colours: under 1 brings out what is small, above 1 what is large. */

import { h } from "../dom";
import { USUAL_GAMMA } from "../draw/colour";

const STEPS = 20;
const LARGEST = 3; // 1/3 to 3

/** Slider places to a gamma, evenly in ratio; the middle is 1. */
export function gammaAt(place: number): number {
  return Number((LARGEST ** ((place - STEPS / 2) / (STEPS / 2))).toFixed(2));
}

export function placeOf(gamma: number): number {
  return Math.round(STEPS / 2 + (Math.log(gamma) / Math.log(LARGEST)) * (STEPS / 2));
}

/** A gamma as a link has it; the usual one where there is none or it is out of range. */
export function readGamma(text: string | undefined): number {
  const gamma = Number(text ?? USUAL_GAMMA);
  return gamma >= 1 / LARGEST - 0.01 && gamma <= LARGEST ? gamma : USUAL_GAMMA;
}

export function gammaControl(gamma: number, changed: (gamma: number) => void): HTMLElement {
  const slider = h("input", { type: "range", id: "gamma", min: 0, max: STEPS, step: 1, value: placeOf(gamma), "aria-label": "Gamma of the colours" });
  const number = h("output", { class: "gamma-number", for: "gamma" }, gamma.toFixed(2));
  slider.setAttribute("aria-valuetext", gamma.toFixed(2));
  slider.addEventListener("input", () => {
    const chosen = gammaAt(Number(slider.value));
    number.textContent = chosen.toFixed(2);
    slider.setAttribute("aria-valuetext", chosen.toFixed(2));
    changed(chosen);
  });
  slider.addEventListener("dblclick", () => {
    slider.value = String(placeOf(USUAL_GAMMA));
    slider.dispatchEvent(new Event("input"));
  });
  return h("label", { class: "gamma", title: `Gamma: under 1 brings out what is small; double-click for ${USUAL_GAMMA}` }, h("span", { "aria-hidden": "true" }, "γ"), slider, number);
}
