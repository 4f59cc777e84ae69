/*
 * What curves look like, for the server, which draws a page, and for the page's own script, which draws them anew: the
 * page has this text inline.
 */

/**
 * Exponential moving average, of which the start is corrected (as in Adam, and as TensorBoard does it): every value is the
 * weighted mean of those up to it. A value counts `weight` times less for each thousandth of the range that lies behind,
 * so that curves with points of different density are smoothed alike, as at Weights & Biases.
 */
export function smoothed(steps, values, weight, range) {
  let [sum, norm] = [0, 0];
  return values.map((value, i) => {
    const kept = i === 0 || !(weight > 0) ? 0 : weight ** ((1000 * (steps[i] - steps[i - 1])) / (range || 1));
    sum = sum * kept + value;
    norm = norm * kept + 1;
    return sum / norm;
  });
}

/** The value of a curve at a step: between two points, on the line between them; undefined outside of the curve. */
export function valueAt(steps, values, step) {
  let [low, high] = [0, steps.length - 1];
  if (!(step >= steps[low] && step <= steps[high])) return undefined;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (steps[middle] <= step) low = middle;
    else high = middle;
  }
  const width = steps[high] - steps[low];
  const share = width > 0 ? (step - steps[low]) / width : 0;
  return values[low] + share * (values[high] - values[low]);
}

/**
 * Several curves as one: their mean, and the least and greatest of them, at every step of any where all of them are.
 *
 * @param curves each with its `steps`, ascending, and `values`
 */
export function spread(curves) {
  const all = [...new Set(curves.flatMap(({ steps }) => steps))].sort((a, b) => a - b);
  const band = { steps: [], mean: [], least: [], greatest: [] };
  for (const step of all) {
    const found = curves.map(({ steps, values }) => valueAt(steps, values, step));
    if (found.includes(undefined)) continue;
    band.steps.push(step);
    band.mean.push(found.reduce((a, b) => a + b) / found.length);
    band.least.push(Math.min(...found));
    band.greatest.push(Math.max(...found));
  }
  return band;
}
