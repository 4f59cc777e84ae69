/** Pixels that are decoded at once: what bounds the memory of decoding. */
const mostPixels = 2 ** 20;

/** How many of `total` pictures, `side` pixels wide, are decoded at once: as many each time, but for the last few. */
export function decodedAtOnce(total: number, side: number): number {
  return evenPart(total, Math.floor(mostPixels / side ** 2));
}

/** The size of the parts that `total` is divided into, each at most `most`, so that the last lacks as little as may be. */
function evenPart(total: number, most: number): number {
  return Math.ceil(total / Math.ceil(total / Math.max(1, most)));
}
