/** A worker that asks for WebGL before the page does, so that the browser starts what draws it without holding up the
 * page; and that answers every message once the graphics have done what was asked of them before.
 */

const context = typeof OffscreenCanvas === "undefined" ? null : new OffscreenCanvas(1, 1).getContext("webgl2");
const pixel = new Uint8Array(4);

addEventListener("message", ({ data: number }: MessageEvent<number>) => {
  context?.readPixels(0, 0, 1, 1, context.RGBA, context.UNSIGNED_BYTE, pixel); // stands still until it is their turn
  postMessage(number);
});
