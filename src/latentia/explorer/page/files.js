// Results as files: PNG from what is drawn, NPY from the numbers.

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Save floats as .npy, format 1.0. */
export function saveNpy(values, shape, name) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const header = text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11, " ") + "\n";
  const start = new Uint8Array(10 + header.length);
  start.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]);
  start.set(new TextEncoder().encode(header), 10);
  save(new Blob([start, values]), name);
}

/** Save the canvases of a gallery as one PNG. */
export function savePng(gallery, name) {
  const canvases = [...gallery.querySelectorAll("canvas")];
  const columns = Math.ceil(Math.sqrt(canvases.length));
  const scale = Math.max(1, Math.round(56 / canvases[0].width));
  const [width, height] = [canvases[0].width * scale + 2, canvases[0].height * scale + 2];
  const sheet = document.createElement("canvas");
  sheet.width = columns * width + 2;
  sheet.height = Math.ceil(canvases.length / columns) * height + 2;
  const context = sheet.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.imageSmoothingEnabled = false;
  canvases.forEach((canvas, i) =>
    context.drawImage(canvas, 2 + (i % columns) * width, 2 + Math.floor(i / columns) * height, width - 2, height - 2),
  );
  sheet.toBlob((blob) => save(blob, name), "image/png");
}

export { save };
