/** The safetensors format: a little-endian u64 header length, a JSON header, then raw bytes. */

/** The element types that the service sends. */
export type Elements = Uint8Array | Float32Array;

export interface Tensor<T extends Elements = Elements> {
  shape: number[];
  data: T;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Reads every tensor of the answer; views into `buffer` where alignment allows, copies elsewhere. */
export function parseSafetensors(buffer: ArrayBuffer): Map<string, Tensor> {
  if (buffer.byteLength < 8) throw new Error(`A safetensors answer of ${buffer.byteLength} bytes is too short for its header.`);
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const start = 8 + length;
  if (start > buffer.byteLength) throw new Error(`The safetensors header says ${length} bytes, the answer has ${buffer.byteLength}.`);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as Record<string, Entry>;
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    tensors.set(name, { shape: entry.shape, data: elements(buffer, start, name, entry) });
  }
  return tensors;
}

function elements(buffer: ArrayBuffer, start: number, name: string, entry: Entry): Elements {
  const [from, to] = entry.data_offsets;
  const count = entry.shape.reduce((product, size) => product * size, 1);
  const size = sizeOf(entry.dtype, name);
  if (to - from !== count * size || start + to > buffer.byteLength) {
    throw new Error(`The tensor ${name} of shape ${entry.shape.join(" x ")} does not fit its ${to - from} bytes.`);
  }
  if (size === 1) return new Uint8Array(buffer, start + from, count);
  const aligned = (start + from) % size === 0;
  return aligned ? new Float32Array(buffer, start + from, count) : new Float32Array(buffer.slice(start + from, start + to));
}

function sizeOf(dtype: string, name: string): 1 | 4 {
  if (dtype === "U8") return 1;
  if (dtype === "F32") return 4;
  throw new Error(`The tensor ${name} has the element type ${dtype}; only U8 and F32 are expected.`);
}
