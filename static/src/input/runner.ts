/** From an input to its maps: the newest input first, and while the maps of one come, the next is on its way. */

import { Problem, type Api, type Picture } from "../data/api";
import { isGone, untilAlive, willGoOn } from "../data/server";
import type { ModelDetail, Run, WeightsInfo } from "../data/wire";
import { Busy } from "./busy";
import { Latest } from "./latest";
import type { Input } from "./picture";

/** How long until a server that has too much to do is asked again, in milliseconds. */
const BUSY = 2000;

/** The network that inputs go into. */
export interface Served {
  model: ModelDetail;
  weights: WeightsInfo;
}

interface Shown extends Served {
  run: Run;
  input: Input;
}

export interface RunnerEvents {
  /** None where there is no network, or one without numbers. */
  served: () => Served | null;
  precision: () => string;
  answered: (run: Run, input: Input, served: Served) => void;
  /** Brings a run's maps onto the page. */
  show: (run: Run, model: ModelDetail) => Promise<void>;
  /** An error, or null when all is well. */
  said: (error: unknown) => void;
}

export class Runner {
  current: Input | null = null;
  private accepted: Input | null = null; // the last that the server has taken
  private readonly api: Api;
  private readonly events: RunnerEvents;
  private readonly busy = new Busy(document.body);
  private readonly runs = new Latest<Input>((input) => this.busy.during(() => this.perform(input)));
  private readonly shows = new Latest<Shown>((shown) => this.busy.during(() => this.show(shown)));

  constructor(api: Api, events: RunnerEvents) {
    this.api = api;
    this.events = events;
  }

  /** Takes an input, and runs it now or after the run in progress. */
  start(input: Input): void {
    this.current = input;
    if (this.events.served() !== null) this.runs.push(input);
  }

  /** Runs the picture once more, where this browser has it. */
  again(): void {
    if (this.current !== null && "picture" in this.current) this.start(this.current);
  }

  /** The picture in use, where this browser has it. */
  picture(): Promise<Picture> | null {
    return this.current !== null && "picture" in this.current ? this.current.picture() : null;
  }

  private async perform(input: Input): Promise<void> {
    const served = this.events.served();
    if (served === null) return;
    const { model, weights } = served;
    try {
      const run = "run" in input ? await this.api.run(input.run) : await this.api.createRun(model.id, weights.id, await input.picture(), this.events.precision());
      if (!this.serves(served)) return; // the reader has gone on to another network
      if (this.current === input && "accepted" in input) input.accepted();
      this.accepted = input;
      this.events.answered(run, input, served);
      this.shows.push({ model, weights, run, input });
    } catch (error) {
      this.failed(error, served, input);
    }
  }

  private async show({ run, input, ...served }: Shown): Promise<void> {
    if (!this.serves(served)) return;
    try {
      await this.events.show(run, served.model);
      this.events.said(null);
    } catch (error) {
      this.failed(error, served, input);
    }
  }

  private serves({ model }: Served): boolean {
    return this.events.served()?.model === model;
  }

  private failed(error: unknown, served: Served, input: Input): void {
    if (this.serves(served)) this.events.said(willGoOn(error));
    if (isGone(error)) void this.recover(input);
    else if (error instanceof Problem && error.status === 503) window.setTimeout(() => { this.retry(input); }, BUSY);
    else if (this.current === input) this.current = this.accepted; // what cannot be read is not tried on the next network
  }

  /** Waits for a server that has gone, and runs the input when it is back. */
  private async recover(input: Input): Promise<void> {
    await untilAlive(this.api);
    this.retry(input);
  }

  /** Once more, unless the reader has made a newer one meanwhile. */
  private retry(input: Input): void {
    if (this.current === input) this.start(input);
  }
}
