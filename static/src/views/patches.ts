/** How far a map is for which the network is asked over and over: a bar, the passes, and the seconds so far. */

import { h } from "../dom";
import { count } from "../data/number";
import type { SaliencyProgress } from "../data/wire";

const EVERY = 500; // milliseconds

export class Patches {
  private readonly words = h("p", { class: "note dim" }, "Covering one patch after the other");
  private readonly bar = h("progress", { max: 1, value: 0, "aria-label": "Passes through the network", hidden: true });
  readonly element = h("div", { class: "patches" }, this.words, this.bar);
  private readonly begun = performance.now();
  private readonly clock: number;
  private readonly ask: () => Promise<SaliencyProgress>;
  private asking = false;

  constructor(ask: () => Promise<SaliencyProgress>) {
    this.ask = ask;
    this.clock = window.setInterval(() => void this.look(), EVERY);
  }

  stop(): void {
    window.clearInterval(this.clock);
  }

  private async look(): Promise<void> {
    this.tell();
    if (this.asking) return;
    this.asking = true;
    try {
      const { done, of } = await this.ask();
      if (of > 0) {
        Object.assign(this.bar, { max: of, value: done, hidden: false });
        this.tell();
      }
    } catch {
      // the map itself will tell what is wrong
    } finally {
      this.asking = false;
    }
  }

  private tell(): void {
    const seconds = Math.floor((performance.now() - this.begun) / 1000);
    const passes = this.bar.hidden ? "" : ` ${count(this.bar.value)} of ${count(this.bar.max)} passes,`;
    const said = `Covering one patch after the other:${passes} ${count(seconds)} s so far`;
    if (this.words.textContent !== said) this.words.textContent = said;
  }
}
