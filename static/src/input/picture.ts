/** Pictures for the service: a sample as one, and whether a file is small enough to be one. */

import type { Picture } from "../data/api";
import { paintedScene } from "./gallery";
import { asStrokes, inkPicture } from "./ink";
import type { Sample } from "./samples";

export async function samplePicture(sample: Sample): Promise<Picture> {
  return sample.kind === "scene" ? paintedScene(sample.name) : inkPicture(asStrokes(sample.strokes()));
}

/** A file as it is now, in memory: on disk it may change or go, and a folder is none. Throws what is wrong with it. */
export async function holdPhoto(file: Blob, most: number): Promise<Blob> {
  const mib = (bytes: number): number => bytes / 2 ** 20;
  if (file.size > most) throw new Error(`This file has ${mib(file.size).toFixed(1)} MiB; at most ${mib(most).toFixed(0)} MiB are taken. Make it smaller and try again.`);
  try {
    return new Blob([await file.arrayBuffer()], { type: file.type });
  } catch {
    const named = file instanceof File && file.name !== "" ? `“${file.name}”` : "This file";
    throw new Error(`${named} cannot be read: it is a folder, was changed, or is no longer there. Choose a photo again.`);
  }
}

/** A picture to run, or a run that the server has already. */
export type Input = { picture: () => Promise<Picture>; accepted?: () => void; blank?: boolean } | { run: string };

/** Whether it is an empty drawing. */
export function isBlank(input: Input | null): boolean {
  return input !== null && "blank" in input && input.blank;
}
