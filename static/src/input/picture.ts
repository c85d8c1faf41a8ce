/** Pictures for the service: a sample as one, and whether a file is small enough to be one. */

import { asStrokes, inkPicture, pictureOf } from "./ink";
import type { Sample } from "./samples";
import { paintScene } from "./scenes";

export function samplePicture(sample: Sample): Promise<Blob> {
  return sample.kind === "scene" ? pictureOf(paintScene(sample.scene)) : inkPicture(asStrokes(sample.strokes));
}

/** Why a file cannot be sent, or null. */
export function tooLarge(file: Blob, most: number): Error | null {
  const mib = (bytes: number): number => bytes / 2 ** 20;
  return file.size <= most ? null : new Error(`This file has ${mib(file.size).toFixed(1)} MiB; at most ${mib(most).toFixed(0)} MiB are taken. Make it smaller and try again.`);
}
