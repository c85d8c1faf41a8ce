/** An 8-bit grey BMP: bytes at once, where a PNG would be encoded whenever the browser finds the time. */

const HEADER = 14 + 40 + 4 * 256; // file, info and palette

/** `grey` holds `width` x `height` levels, 0 to 255, row by row from the top. */
export function bitmapOf(grey: Uint8Array, width: number, height: number): Uint8Array<ArrayBuffer> {
  const stride = Math.ceil(width / 4) * 4; // rows are filled up to whole words
  const { bytes, view } = begun(HEADER, 40, width, height, 8, stride * height);
  view.setUint32(46, 256, true);
  for (let level = 0; level < 256; level += 1) bytes.fill(level, 54 + 4 * level, 57 + 4 * level);
  for (let row = 0; row < height; row += 1) bytes.set(grey.subarray(row * width, (row + 1) * width), HEADER + row * stride);
  return bytes;
}

const COLOUR_HEADER = 14 + 108; // file, and the fourth version of the info, which has a place for opacity

/** A BMP with opacity of `pixels`: little-endian RGBA words, row by row from the top. */
export function colourBitmap(pixels: Uint32Array, width: number, height: number): Uint8Array<ArrayBuffer> {
  const { bytes, view } = begun(COLOUR_HEADER, 108, width, height, 32, 4 * pixels.length);
  view.setUint32(30, 3, true); // masks follow
  [0xff, 0xff00, 0xff0000, 0xff000000].forEach((mask, index) => { view.setUint32(54 + 4 * index, mask, true); }); // R, G, B, opacity
  view.setUint32(70, 0x73524742, true); // sRGB
  bytes.set(new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength), COLOUR_HEADER);
  return bytes;
}

/** A file of `header` bytes, of which the info takes `info`, and `size` bytes of pixels: what every BMP begins with. */
function begun(header: number, info: number, width: number, height: number, bits: number, size: number): { bytes: Uint8Array<ArrayBuffer>; view: DataView } {
  const bytes = new Uint8Array(header + size);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x424d); // BM
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, header, true);
  view.setUint32(14, info, true);
  view.setInt32(18, width, true);
  view.setInt32(22, -height, true); // negative: from the top
  view.setUint16(26, 1, true);
  view.setUint16(28, bits, true); // bits a pixel
  view.setUint32(34, size, true);
  return { bytes, view };
}
