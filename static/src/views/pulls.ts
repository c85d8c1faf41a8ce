/** Weights that are fetched on demand: a button, then how far they are; and the networks that come only this way. */

import { isGone, willPass } from "../data/server";
import type { Api } from "../data/api";
import { Problem } from "../data/api";
import { count, megabytes, timeLeft } from "../data/number";
import type { ModelDetail, Pull, WeightsInfo } from "../data/wire";
import { button, h } from "../dom";

const EVERY = 1000; // milliseconds between two questions while something comes
const MOVING: ReadonlySet<string> = new Set(["waiting", "pulling", "checking"]);

export class Pulls {
  /** What concerns the weights that are shown. */
  readonly element = h("div", { class: "pulls" });
  private readonly api: Api;
  private readonly arrived: (model: string, weights: string) => void;
  private readonly listed: (model: string) => boolean;
  private readonly more = h("details", { class: "more", hidden: true });
  private readonly rows = new Map<string, Row>();
  private shown = "";
  private open: string | null = null; // asked for here: shown as soon as they are here
  private asking = false;
  private again = false; // something was done while the last question was on its way

  constructor(api: Api, listed: (model: string) => boolean, arrived: (model: string, weights: string) => void) {
    this.api = api;
    this.listed = listed;
    this.arrived = arrived;
  }

  /** Shows how the weights of a network can be had, if they are not here. */
  show(model: ModelDetail, weights: WeightsInfo): void {
    this.shown = key(model.id, weights.id);
    this.place();
    void this.ask();
  }

  /** Asks how far everything is, and again every second while something comes. */
  private async ask(): Promise<void> {
    this.again = true;
    if (this.asking) return;
    this.asking = true;
    try {
      for (let moving = true; moving || this.again; ) {
        this.again = false;
        if (document.hidden) await new Promise((seen) => { document.addEventListener("visibilitychange", seen, { once: true }); });
        const away = await this.api.pulls().then((pulls) => { this.update(pulls); return false; }, (error: unknown) => isGone(error) || willPass(error)); // and is asked again
        moving = away || [...this.rows.values()].some((row) => MOVING.has(row.pull.state));
        if (moving) await new Promise((after) => setTimeout(after, EVERY));
      }
    } finally {
      this.asking = false;
    }
  }

  private update(pulls: readonly Pull[]): void {
    for (const pull of pulls) {
      const name = key(pull.model, pull.weights);
      const row = this.rows.get(name);
      if (row === undefined) this.rows.set(name, new Row(pull, (stop) => { void this.act(pull, stop); }));
      else {
        const before = row.pull.state;
        row.update(pull);
        if (before !== "ready" && pull.state === "ready" && (this.open === name || this.shown === name)) {
          this.open = null;
          this.arrived(pull.model, pull.weights);
        }
      }
    }
    this.place();
  }

  /** The row of what is shown stands alone; networks that are not in the list are under "More networks". */
  private place(): void {
    const row = this.rows.get(this.shown);
    const further = [...this.rows.values()].filter((one) => one !== row && one.pull.state !== "ready" && !this.listed(one.pull.model));
    this.more.hidden = further.length === 0;
    if (this.more.childElementCount !== further.length + 1 || this.more.dataset["shown"] !== this.shown) {
      this.more.dataset["shown"] = this.shown;
      this.more.replaceChildren(h("summary", {}, `More networks (${further.length})`), ...further.map((one) => one.element));
    }
    for (const one of this.rows.values()) one.named(one !== row);
    const mine = row !== undefined && row.pull.state !== "ready" ? [row.element] : [];
    const wanted = [...mine, this.more];
    if (wanted.length !== this.element.childElementCount || wanted.some((one, index) => this.element.children[index] !== one)) this.element.replaceChildren(...wanted);
  }

  private async act(pull: Pull, stop: boolean): Promise<void> {
    const name = key(pull.model, pull.weights);
    try {
      if (!stop) this.open = name;
      this.update([stop ? await this.api.stopPull(pull.model, pull.weights) : await this.api.startPull(pull.model, pull.weights)]);
    } catch (error) {
      this.rows.get(name)?.update({ ...pull, state: "failed", error: error instanceof Problem ? error.message : "This did not work. Try again." });
    }
    void this.ask();
  }
}

/** One set of weights: its size, what can be done, how far it is. */
class Row {
  readonly element: HTMLElement;
  pull: Pull;
  private readonly title: HTMLElement;
  private readonly words = h("p", { role: "status" });
  private readonly bar = h("progress", { max: 1, value: 0 });
  private readonly figures = h("p", { class: "dim" });
  private readonly button: HTMLButtonElement;

  constructor(pull: Pull, act: (stop: boolean) => void) {
    this.pull = pull;
    this.title = h("h3", {}, pull.title);
    this.button = button("", () => { act(MOVING.has(this.pull.state)); });
    this.element = h("div", { class: "pull", "data-pull": key(pull.model, pull.weights) }, this.title, this.words, this.bar, this.figures, this.button);
    this.bar.setAttribute("aria-label", `${pull.title}: bytes fetched`);
    this.update(pull);
  }

  /** Whether the network's name is said, too. */
  named(named: boolean): void {
    this.title.hidden = !named;
  }

  update(pull: Pull): void {
    this.pull = pull;
    const moving = MOVING.has(pull.state);
    Object.assign(this.element.dataset, { state: pull.state, done: String(pull.done), bytes: String(pull.bytes), untouched: String(pull.state === "absent" && pull.done === 0 && pull.allowed) });
    this.bar.max = pull.bytes;
    this.bar.value = pull.done;
    this.bar.hidden = !moving && pull.done === 0;
    this.figures.hidden = !moving;
    const left = pull.seconds_left === null ? "" : ` · ${timeLeft(pull.seconds_left)} left`;
    this.figures.textContent = `${megabytes(pull.done)} of ${megabytes(pull.bytes)}${pull.rate > 0 ? ` · ${megabytes(pull.rate)}/s${left}` : ""}`;
    const refused = !pull.allowed && !moving;
    this.button.hidden = refused;
    this.button.textContent = moving ? "Stop" : pull.state === "failed" ? "Try again" : pull.done > 0 ? "Go on" : `Get them (${megabytes(pull.bytes)})`;
    this.button.setAttribute("aria-label", `${this.button.textContent}: ${pull.title}, ${pull.weights}`);
    const said = wordsOf(pull);
    this.words.classList.toggle("warning", pull.state === "failed");
    if (refused && pull.state !== "ready") this.words.replaceChildren("This server fetches weights only for somebody at its own machine. There it is one command: ", h("code", {}, pull.command));
    else if (this.words.textContent !== said) this.words.textContent = said;
  }
}

/** Where a pull stands, in a sentence that changes only when that does. */
function wordsOf(pull: Pull): string {
  switch (pull.state) {
    case "pulling": return "They are on their way.";
    case "waiting": return "Another process fetches the same file; it is shared.";
    case "checking": return "All bytes are here; their digest is being checked.";
    case "failed": return pull.error ?? "They could not be fetched.";
    case "cancelled": return `Stopped; ${megabytes(pull.done)} are kept.`;
    case "ready": return "They are here.";
    case "absent": return pull.done > 0 ? `${megabytes(pull.done)} of ${megabytes(pull.bytes)} are here from an earlier try.` : `Weights for ${count(pull.classes)} classes, not on this machine yet.`;
  }
}

function key(model: string, weights: string): string {
  return `${model}/${weights}`;
}
