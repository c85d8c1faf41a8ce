/** The view as a PNG: its ground, the maps, and what is written over them. */

export function pictureOf(host: HTMLElement, layers: readonly HTMLCanvasElement[]): Promise<Blob> {
  const [width, height] = [Math.max(...layers.map((one) => one.width)), Math.max(...layers.map((one) => one.height))];
  const sheet = document.createElement("canvas");
  Object.assign(sheet, { width, height });
  const c = sheet.getContext("2d");
  if (c === null) return Promise.reject(new Error("This browser gives no 2D canvas, on which the picture is put together."));
  const style = getComputedStyle(host);
  const glow = c.createRadialGradient(width * 0.52, height * 0.46, 0, width * 0.52, height * 0.46, Math.max(width, height) * 0.62);
  glow.addColorStop(0, style.getPropertyValue("--glow").trim());
  glow.addColorStop(1, style.getPropertyValue("--ground").trim());
  c.fillStyle = glow;
  c.fillRect(0, 0, width, height);
  for (const layer of layers) c.drawImage(layer, 0, 0, width, height);
  return new Promise((resolve, reject) => {
    sheet.toBlob((blob) => { if (blob === null) reject(new Error("This browser could not turn the view into a picture.")); else resolve(blob); }, "image/png");
  });
}
