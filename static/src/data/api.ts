/** The API client: typed answers, bytes as they come, and errors as sentences. */

import type { Answer, Explanation, Model, ModelDetail, Pull, Run, SaliencyMethod, SaliencyProgress, Source, Tour } from "./wire";

/** A problem document (RFC 9457), or a server that did not answer (`status` 0). */
export class Problem extends Error {
  readonly status: number;
  readonly type: string;
  readonly retryAfter: number | null; // seconds after which it may be gone

  constructor(status: number, type: string, message: string, retryAfter: number | null = null) {
    super(message);
    this.name = "Problem";
    this.status = status;
    this.type = type;
    this.retryAfter = retryAfter;
  }

  /** Whether it is this kind of problem, by the last part of its type. */
  is(kind: string): boolean {
    return this.type.endsWith(`:${kind}`);
  }
}

/** The sentence of a problem+json body; a plain one where the body is something else. */
export function problemOf(status: number, body: string, retryAfter: number | null = null): Problem {
  try {
    const document: unknown = JSON.parse(body);
    if (typeof document === "object" && document !== null) {
      const fields = document as Record<string, unknown>;
      const title = typeof fields["title"] === "string" ? fields["title"] : "";
      const detail = typeof fields["detail"] === "string" ? fields["detail"] : "";
      const type = typeof fields["type"] === "string" ? fields["type"] : "";
      if (title !== "" || detail !== "") return new Problem(status, type, detail === "" ? `${title}.` : detail, retryAfter);
    }
  } catch {
    // Not JSON: a proxy's page, for example. The status is all there is to say.
  }
  return new Problem(status, "", `The server answered with status ${status} and no explanation.`, retryAfter);
}

const segment = encodeURIComponent;

type Rows = (number | null)[][];

/** An explanation as JSON has it. */
type Told = Omit<Explanation, "value" | "sources"> & { value: number | null; sources: (Omit<Source, "values" | "weights"> & { values: Rows; weights: Rows | null })[] };

/** An encoded image. Bytes, which the page made itself, are sent at once; a Blob's are fetched from another process first. */
export type Picture = Blob | Uint8Array<ArrayBuffer>;

export class Api {
  private readonly root: string;
  /** Told the run that the server no longer has. */
  lost: (run: string) => void = () => undefined;

  /** `root` is the path prefix of the service, without a trailing slash. */
  constructor(root: string) {
    this.root = root;
  }

  /** Whether the server answers at all. */
  async alive(): Promise<boolean> {
    return fetch(`${this.root}/healthz`, { cache: "no-store" }).then((answer) => answer.ok, () => false);
  }

  async models(): Promise<Model[]> {
    return (await this.json<{ models: Model[] }>("/models")).models;
  }

  model(model: string, weights: string): Promise<ModelDetail> {
    return this.json(`/models/${segment(model)}?weights=${segment(weights)}`);
  }

  /** The network's guided tour, or null where nobody wrote one. */
  async tour(model: string): Promise<Tour | null> {
    try {
      return await this.json<Tour>(`/models/${segment(model)}/tour`);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return null;
      throw error;
    }
  }

  /** Runs an image through a network; the same image gives the same run. Given up with the signal. */
  createRun(model: string, weights: string, image: Picture, precision = "fp32", signal: AbortSignal | null = null): Promise<Run> {
    const query = `weights=${segment(weights)}&precision=${segment(precision)}&top=5`;
    return this.json(`/models/${segment(model)}/runs?${query}`, {
      method: "POST",
      body: image,
      headers: { "Content-Type": mediaTypeOf(image) },
      signal,
    });
  }

  /** What a network takes an image for, nothing kept. */
  predict(model: string, weights: string, precision: string, image: Picture): Promise<Answer> {
    const query = `weights=${segment(weights)}&precision=${segment(precision)}&top=1`;
    return this.json(`/models/${segment(model)}/predictions?${query}`, {
      method: "POST",
      body: image,
      headers: { "Content-Type": mediaTypeOf(image) },
    });
  }

  async pulls(): Promise<Pull[]> {
    return (await this.json<{ pulls: Pull[] }>("/pulls")).pulls;
  }

  startPull(model: string, weights: string): Promise<Pull> {
    return this.json(`/models/${segment(model)}/weights/${segment(weights)}/pull`, { method: "POST" });
  }

  stopPull(model: string, weights: string): Promise<Pull> {
    return this.json(`/models/${segment(model)}/weights/${segment(weights)}/pull`, { method: "DELETE" });
  }

  run(run: string): Promise<Run> {
    return this.json(`/runs/${segment(run)}`);
  }

  /** A run, or null where it has expired. */
  async runIfKept(run: string): Promise<Run | null> {
    try {
      return await this.run(run);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return null;
      throw error;
    }
  }

  /** The picture as the network saw it. */
  async input(run: string): Promise<ImageBitmap> {
    return createImageBitmap(await this.ask(`/runs/${segment(run)}/input.png`, (answer) => answer.blob()));
  }

  /** The maps of some layers, at most `tile` pixels a side. */
  overview(run: string, tile: number, layers: readonly string[]): Promise<ArrayBuffer> {
    return this.bytes(`/runs/${segment(run)}/overview.safetensors?tile=${tile}&layers=${segment(layers.join(","))}`);
  }

  tensor(run: string, layer: string): Promise<ArrayBuffer> {
    return this.bytes(`/runs/${segment(run)}/layers/${segment(layer)}/tensor.npy`);
  }

  /** A number that is not finite, which JSON writes as null, is NaN here. */
  async explanation(run: string, layer: string, unit: readonly number[]): Promise<Explanation> {
    const told = await this.json<Told>(`/runs/${segment(run)}/layers/${segment(layer)}/units/${unit.join("/")}`);
    const known = (rows: Rows): number[][] => rows.map((row) => row.map((one) => one ?? NaN));
    return { ...told, value: told.value ?? NaN, sources: told.sources.map((one) => ({ ...one, values: known(one.values), weights: one.weights === null ? null : known(one.weights) })) };
  }

  /** Where the network looked for a class, (H, W) of the input's size as .npy; given up with the signal. */
  saliency(run: string, method: SaliencyMethod, index: number, signal: AbortSignal): Promise<ArrayBuffer> {
    return this.bytes(saliencyPath(run, method, index), { signal });
  }

  /** How far that map is. */
  async saliencyProgress(run: string, method: SaliencyMethod, index: number, signal: AbortSignal): Promise<SaliencyProgress> {
    // not by `ask`: a run that is gone meanwhile is no loss, as its map is still on the way
    const answer = await fetch(this.url(`/runs/${segment(run)}/saliency/progress?method=${segment(method)}&class=${index}`), { signal });
    if (!answer.ok) throw problemOf(answer.status, await answer.text(), null);
    return (await answer.json()) as SaliencyProgress;
  }

  saliencyUrl(run: string, method: SaliencyMethod, index: number): string {
    return this.url(saliencyPath(run, method, index));
  }

  inputUrl(run: string): string {
    return this.url(`/runs/${segment(run)}/input.png`);
  }

  tensorUrl(run: string, layer: string): string {
    return this.url(`/runs/${segment(run)}/layers/${segment(layer)}/tensor.npy`);
  }

  channelUrl(run: string, layer: string, channel: number): string {
    return this.url(`/runs/${segment(run)}/layers/${segment(layer)}/channels/${channel}.png`);
  }

  mapsUrl(run: string, layer: string, scale: string): string {
    return this.url(`/runs/${segment(run)}/layers/${segment(layer)}/maps.png?tile=64&scale=${segment(scale)}`);
  }

  private url(path: string): string {
    return `${this.root}/api/v1${path}`;
  }

  private json<T>(path: string, init?: RequestInit): Promise<T> {
    return this.ask(path, async (answer) => (await answer.json()) as T, init);
  }

  private bytes(path: string, init?: RequestInit): Promise<ArrayBuffer> {
    return this.ask(path, (answer) => answer.arrayBuffer(), init);
  }

  /** An answer, read to its end: the connection may break off before it begins, or within it. */
  private async ask<T>(path: string, read: (answer: Response) => Promise<T>, init?: RequestInit): Promise<T> {
    try {
      const answer = await fetch(this.url(path), init);
      if (answer.ok) return await read(answer);
      const seconds = Number(answer.headers.get("Retry-After") ?? NaN); // a date is never sent here
      throw problemOf(answer.status, await answer.text(), Number.isFinite(seconds) ? seconds : null);
    } catch (error) {
      if (error instanceof Problem && error.is("run-not-found")) this.lost(decodeURIComponent(path.split("/")[2] ?? "").split("?")[0] ?? "");
      if (error instanceof Problem || error instanceof SyntaxError || init?.signal?.aborted === true) throw error;
      throw new Problem(0, "", "The server does not answer. Is it still running?");
    }
  }
}

function saliencyPath(run: string, method: SaliencyMethod, index: number): string {
  return `/runs/${segment(run)}/saliency.npy?method=${segment(method)}&class=${index}`;
}

/** The bytes decide what an image is, so anything that is not declared as an image goes as plain bytes. */
function mediaTypeOf(image: Picture): string {
  return image instanceof Uint8Array || image.type === "" ? "application/octet-stream" : image.type;
}
