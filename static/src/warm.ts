/** A worker that asks for WebGL once, so that the browser starts what draws it without holding up the page. */

const context = typeof OffscreenCanvas === "undefined" ? null : new OffscreenCanvas(1, 1).getContext("webgl2");
postMessage(context !== null);
