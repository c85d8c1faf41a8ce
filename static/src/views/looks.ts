/** How numbers become colours: scale and order of the maps, and the legend of the layer that is looked at. */

import { h } from "../dom";
import type { Maps } from "../data/maps";
import { rangeFor, type Scale, type Theme } from "../draw/colour";
import { NARROW } from "../scene/pilot";
import { gammaControl, readGamma } from "./gamma";
import { eachMap, legendView } from "./legend";

const SCALES: readonly (readonly [Scale, string])[] = [["signed", "Signed, zero in the middle"], ["layer", "Per layer"], ["map", "Per map"]];

export class Looks {
  readonly element: HTMLElement;
  gamma: number;
  private readonly scale = h("select", { id: "scale", "aria-label": "Colour scale", "aria-keyshortcuts": "S" }, ...SCALES.map(([value, label]) => h("option", { value }, label)));
  private readonly order = h("select", { id: "order", "aria-label": "Order of the maps" }, h("option", { value: "number" }, "Maps by number"), h("option", { value: "strongest" }, "Strongest first"));
  private readonly choices: HTMLElement;
  private readonly legend = h("div", { class: "looks-legend" });

  constructor(gamma: string | undefined, changed: (scale: Scale, strongestFirst: boolean) => void) {
    const report = (): void => { changed(this.scale.value as Scale, this.order.value === "strongest"); };
    this.scale.addEventListener("change", report);
    this.order.addEventListener("change", report);
    this.gamma = readGamma(gamma);
    const bend = (chosen: number): void => {
      this.gamma = chosen;
      report();
    };
    this.choices = h("div", { class: "look-choices" }, this.scale, this.order, gammaControl(this.gamma, bend));
    this.element = h("div", { class: "looks" }, this.legend, this.choices);
  }

  /** The legend has its choices beside it; in a narrow window they follow the `head` of a sheet, which has room for them. */
  stand(head: Element | null): void {
    const query = window.matchMedia(`(max-width: ${NARROW}px)`);
    const place = (): void => { if (query.matches && head !== null) head.after(this.choices); else this.element.append(this.choices); };
    query.addEventListener("change", place);
    place();
  }

  /** The legend of a layer's maps; without them, of the scale alone. */
  show(look: { scale: Scale; theme: Theme; gamma?: number }, layer: string | undefined, maps: Maps | undefined): void {
    this.scale.value = look.scale;
    if (layer === undefined || maps === undefined) {
      this.legend.replaceChildren();
      return;
    }
    const [from, to] = rangeFor(look.scale, maps.low, maps.high, maps.low, maps.high);
    this.legend.replaceChildren(legendView(look, from, to, 150), h("span", { class: "dim" }, eachMap(look.scale, maps) ?? layer));
  }
}
