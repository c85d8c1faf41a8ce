/** Pictures for the service: a sample as one, and whether a file is small enough to be one. */

import type { Picture } from "../data/api";
import { paintedScene } from "./gallery";
import { asStrokes, inkPicture } from "./ink";
import type { Sample } from "./samples";

export async function samplePicture(sample: Sample): Promise<Picture> {
  return sample.kind === "scene" ? paintedScene(sample.name) : inkPicture(asStrokes(sample.strokes()));
}

/** Why a file cannot be sent, or null. */
export function tooLarge(file: Blob, most: number): Error | null {
  const mib = (bytes: number): number => bytes / 2 ** 20;
  return file.size <= most ? null : new Error(`This file has ${mib(file.size).toFixed(1)} MiB; at most ${mib(most).toFixed(0)} MiB are taken. Make it smaller and try again.`);
}

/** A picture to run, or a run that the server has already. */
export type Input = { picture: () => Promise<Picture>; accepted?: () => void; blank?: boolean } | { run: string };

/** Whether it is an empty drawing. */
export function isBlank(input: Input | null): boolean {
  return input !== null && "blank" in input && input.blank;
}
