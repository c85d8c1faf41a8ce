/** The NPY format (numpy.save), versions 1 to 3, for what the service sends: float32, C order, little-endian. */

import type { Tensor } from "./safetensors";

const MAGIC = "\x93NUMPY";

/** Reads one array; throws where the bytes are something else. */
export function parseNpy(buffer: ArrayBuffer): Tensor<Float32Array> {
  const bytes = new Uint8Array(buffer);
  if (buffer.byteLength < 12 || String.fromCharCode(...bytes.subarray(0, 6)) !== MAGIC) {
    throw new Error("These bytes are not an NPY array: they do not begin with its magic word.");
  }
  const view = new DataView(buffer);
  const long = (bytes[6] ?? 0) >= 2; // from version 2 the header's length takes four bytes
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (descr !== "<f4" || order !== "False" || shape === undefined) {
    throw new Error(`This NPY array is not little-endian float32 in C order: ${header.trim()}`);
  }
  const sizes = shape.split(",").map((part) => part.trim()).filter((part) => part !== "").map(Number);
  const count = sizes.reduce((product, size) => product * size, 1);
  const offset = start + length;
  if (offset + 4 * count > buffer.byteLength) {
    throw new Error(`This NPY array of shape ${sizes.join(" x ")} is cut off after ${buffer.byteLength} bytes.`);
  }
  const aligned = offset % 4 === 0;
  const data = aligned ? new Float32Array(buffer, offset, count) : new Float32Array(buffer.slice(offset, offset + 4 * count));
  return { shape: sizes, data };
}
