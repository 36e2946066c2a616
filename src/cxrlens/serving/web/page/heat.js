// The heat of a map as colours over the film: the same colours and the same opacity as the server's overlays.

// 256 colours, RRGGBB each: inferno without its black and its white, which are the film's own (serving/heat.py).
const COLOURS =
  "1e0c451f0c48210c4a210c4a230c4c240c4f260c51260c51280b53290b55290b552b0b572d0b592f0a5b2f0a5b310a5c" +
  "320a5e340a5f340a5f3609613809623809623909633b09643d09653d09653e0966400a67400a67420a68440a68450a69" +
  "450a69470b6a490b6a4a0c6b4a0c6b4c0c6b4d0d6c4d0d6c4f0d6c510e6c520e6d520e6d540f6d550f6d550f6d57106e" +
  "59106e5a116e5a116e5c126e5d126e5f136e5f136e61136e62146e62146e64156e65156e67166e67166e69166e6a176e" +
  "6a176e6c186e6d186e6f196e6f196e71196e721a6e741a6e741a6e751b6e771c6d771c6d781c6d7a1d6d7c1d6d7c1d6d" +
  "7d1e6d7f1e6c7f1e6c801f6c82206c84206b84206b85216b87216b88226a88226a8a226a8c23698c23698d23698f2469" +
  "9025689025689225689326679526679526679727669827669827669a28659b29649d29649d29649f2a63a02a63a02a63" +
  "a22b62a32c61a52c60a52c60a62d60a82e5fa92e5ea92e5eab2f5ead305dad305dae305cb0315bb1325ab1325ab3325a" +
  "b43359b43359b63458b73557b93556b93556ba3655bc3754bd3853bd3853bf3952c03a51c03a51c13a50c33b4fc43c4e" +
  "c43c4ec63d4dc73e4cc73e4cc83f4bca404acb4149cb4149cc4248ce4347cf4446cf4446d04545d24644d24644d34743" +
  "d44842d54a41d54a41d74b3fd84c3ed84c3ed94d3dda4e3cdb503bdb503bdd513ade5238df5337df5337e05536e15635" +
  "e15635e25734e35933e45a31e45a31e55c30e65d2fe65d2fe75e2ee8602de9612be9612bea632aeb6429eb6628eb6628" +
  "ec6726ed6925ed6925ee6a24ef6c23ef6e21ef6e21f06f20f1711ff1731df1731df2741cf3761bf3761bf37819f47918" +
  "f57b17f57b17f57d15f67e14f67e14f68013f78212f78410f78410f8850ff8870ef8890cf8890cf98b0bf98c0af98c0a" +
  "f98e09fa9008fa9207fa9207fa9407fb9606fb9606fb9706fb9906fb9b06fb9b06fb9d07fc9f07fca108fca108fca309" +
  "fca50afca50afca60cfca80dfcaa0ffcaa0ffcac11fcae12fcae12fcb014fcb216fcb418fcb418fbb61afbb81dfbba1f";

const POWER = 0.8; // of the heat, in its opacity; as in serving/heat.py

/** Red, green and blue of a heat of 0 … 255. */
export function colour(heat) {
  const rgb = parseInt(COLOURS.slice(heat * 6, heat * 6 + 6), 16);
  return [rgb >> 16, (rgb >> 8) & 255, rgb & 255];
}

/** The colours as little-endian RGBA, their opacity that of the heat where the strongest is opaque. */
const TABLE = Uint32Array.from({ length: 256 }, (_, heat) => {
  const [r, g, b] = colour(heat);
  return ((Math.round(255 * (heat / 255) ** POWER) << 24) | (b << 16) | (g << 8) | r) >>> 0;
});

/**
 * A grey PNG of heat as a picture to lay over the film with any `globalAlpha`.
 *
 * @param {Blob} png
 * @returns {Promise<{canvas: HTMLCanvasElement, top: number}>} and its highest value, 0 … 255
 */
export async function heatPicture(png) {
  const bitmap = await createImageBitmap(png, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  let top = 0;
  for (let i = 0; i < pixels.length; i += 1) {
    const heat = pixels[i] & 255;
    if (heat > top) top = heat;
    pixels[i] = TABLE[heat];
  }
  context.putImageData(image, 0, 0);
  return { canvas, top };
}

/** Draws the scale of colours, weak on the left. */
export function drawLegend(canvas) {
  const context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x += 1) {
    context.fillStyle = `rgb(${colour(Math.round((x / (canvas.width - 1)) * 255)).join(" ")})`;
    context.fillRect(x, 0, 1, canvas.height);
  }
}
