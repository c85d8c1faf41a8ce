/** From an input to its maps: the newest input first, and while the maps of one come, the next is on its way. */

import { Problem, type Api, type Picture } from "../data/api";
import { isGone, untilAlive, willGoOn, willPass } from "../data/server";
import { pause } from "../dom";
import type { ModelDetail, Run, WeightsInfo } from "../data/wire";
import { Busy } from "./busy";
import { Latest } from "./latest";
import type { Input } from "./picture";

/** How long until a server that has too much to do, or broke off, is asked again at the earliest, in milliseconds. */
const BUSY = 2000;

/** So often an input is tried whose connection breaks off, though the server answers: it may be the input. */
const TRIES = 3;
const BROKEN = "The connection broke off each time that this picture was sent, though the server answers. Choose another picture, or a smaller one.";

/** A run that has gone from the server is made once more, at most so often, in milliseconds: replicas that do not share theirs lose them at once. */
const RENEWAL = 30_000;

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
  private refused = false; // what was said last is of an input that came later than what is shown
  private renewed = -RENEWAL; // performance.now()
  private breaks = 0; // of the connection, without an answer between
  private sending: { input: Input; given: AbortController } | null = null;
  private readonly api: Api;
  private readonly events: RunnerEvents;
  private readonly busy = new Busy(document.body);
  private readonly runs = new Latest<Input>((input) => this.busy.during(() => this.perform(input)));
  private readonly shows = new Latest<Shown>((shown) => this.busy.during(() => this.show(shown)));

  constructor(api: Api, events: RunnerEvents) {
    this.api = api;
    this.events = events;
  }

  /** Takes an input, and runs it now: what is being sent is given up, unless it is a drawing, whose lines follow each other quickly. */
  start(input: Input): void {
    if (input !== this.current) this.breaks = 0;
    if (this.sending !== null && !("blank" in this.sending.input)) this.sending.given.abort();
    this.current = input;
    this.refused = false;
    if (this.events.served() !== null) this.runs.push(input);
  }

  /** An input was refused before it came here: what was said of it stays until there is another. */
  refuse(): void {
    this.refused = true;
  }

  /** Runs the picture once more, where this browser has it. */
  again(): void {
    if (this.current !== null && "picture" in this.current) this.start(this.current);
  }

  /** The run that is shown has gone from the server: the picture is run once more. */
  renew(): void {
    if (performance.now() - this.renewed < RENEWAL) return;
    this.renewed = performance.now();
    this.again();
  }

  /** The picture in use, where this browser has it. */
  picture(): Promise<Picture> | null {
    return this.current !== null && "picture" in this.current ? this.current.picture() : null;
  }

  private async perform(input: Input): Promise<void> {
    const served = this.events.served();
    if (served === null) return;
    const { model, weights } = served;
    const given = new AbortController();
    this.sending = { input, given };
    try {
      const run = "run" in input ? await this.api.run(input.run) : await this.api.createRun(model.id, weights.id, await input.picture(), this.events.precision(), given.signal);
      if (given.signal.aborted || !this.serves(served)) return; // the reader has gone on to another picture, or network
      if (this.current === input && "accepted" in input) input.accepted();
      this.accepted = input;
      this.events.answered(run, input, served);
      this.shows.push({ model, weights, run, input });
    } catch (error) {
      if (!given.signal.aborted) this.failed(error, served, input);
    } finally {
      this.sending = null;
    }
  }

  private async show({ run, input, ...served }: Shown): Promise<void> {
    if (!this.serves(served)) return;
    try {
      await this.events.show(run, served.model);
      this.breaks = 0;
      if (!this.refused) this.events.said(null);
    } catch (error) {
      this.failed(error, served, input);
    }
  }

  private serves({ model }: Served): boolean {
    return this.events.served()?.model === model;
  }

  private failed(error: unknown, served: Served, input: Input): void {
    const goesOn = willPass(error) || (isGone(error) && ++this.breaks <= TRIES);
    if (this.serves(served)) this.events.said(goesOn ? willGoOn(error) : isGone(error) ? new Error(BROKEN) : error);
    if (error instanceof Problem && willPass(error)) window.setTimeout(() => { this.retry(input); }, Math.max(BUSY, 1000 * (error.retryAfter ?? 0)));
    else if (goesOn) void this.recover(input);
    else if (this.current === input) { // what cannot be read is not tried on the next network
      this.refused = input !== this.accepted;
      this.current = this.accepted;
    }
  }

  /** Waits for a server that has gone, and runs the input when it is back. */
  private async recover(input: Input): Promise<void> {
    await untilAlive(this.api);
    if (this.breaks > 1) await pause(BUSY);
    this.retry(input);
  }

  /** Once more, unless the reader has made a newer one meanwhile. */
  private retry(input: Input): void {
    if (this.current === input) this.start(input);
  }
}
