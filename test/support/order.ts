/**
 * The power of the step size that errors fall with: the slope of the straight line through log(error) over
 * -log(steps).
 */
export function measuredOrder(steps: readonly number[], errors: readonly number[]): number {
  const x = steps.map((count) => -Math.log(count));
  const y = errors.map((error) => Math.log(error));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const covariance = x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0);
  const variance = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
  return covariance / variance;
}
