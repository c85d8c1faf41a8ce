/** A worker that paints sample scenes: a name comes, a picture goes. */

import type { Painted } from "./input/gallery";
import { paintScene, SCENE_SIDE } from "./input/scenes";

async function paint(name: string): Promise<Blob | null> {
  try {
    const canvas = new OffscreenCanvas(SCENE_SIDE, SCENE_SIDE);
    paintScene(name, canvas.getContext("2d", { willReadFrequently: true }));
    return await canvas.convertToBlob({ type: "image/png" });
  } catch {
    return null; // a browser without canvases in workers: the page paints it
  }
}

addEventListener("message", ({ data: name }: MessageEvent<string>) => {
  void paint(name).then((picture) => {
    const answer: Painted = { name, picture };
    postMessage(answer);
  });
});
