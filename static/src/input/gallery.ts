/** The sample scenes as pictures, each painted once: by a worker, as it takes a tenth of a second, or else by the page. */

import { whenDrawable } from "../draw/ready";
import { pictureOf } from "./ink";

/** What the worker answers; no picture where it cannot paint. */
export interface Painted {
  name: string;
  picture: Blob | null;
}

const painted = new Map<string, Promise<Blob>>();
const asked = new Map<string, (picture: Blob | null) => void>();
let worker: Worker | null = null;
let failed = false; // the worker did not come, or is too much for this browser

/** The scene of that name as a PNG. */
export function paintedScene(name: string): Promise<Blob> {
  let picture = painted.get(name);
  if (picture === undefined) {
    picture = beside(name).then((done) => done ?? here(name));
    painted.set(name, picture);
  }
  return picture;
}

function beside(name: string): Promise<Blob | null> {
  if (failed) return Promise.resolve(null);
  return new Promise((resolve) => {
    asked.set(name, resolve);
    worker ??= begin();
    worker.postMessage(name);
  });
}

function begin(): Worker {
  const started = new Worker(`${document.body.dataset["root"] ?? ""}/static/paint.js`, { type: "module" });
  started.onmessage = ({ data }: MessageEvent<Painted>) => { asked.get(data.name)?.(data.picture); };
  started.onerror = () => {
    failed = true;
    for (const answer of asked.values()) answer(null);
  };
  return started;
}

async function here(name: string): Promise<Blob> {
  const { paintScene, SCENE_SIDE } = await import("./scenes");
  await new Promise<void>(whenDrawable);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SCENE_SIDE;
  paintScene(name, canvas.getContext("2d", { willReadFrequently: true }));
  return pictureOf(canvas);
}
