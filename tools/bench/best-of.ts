/** Seconds of the fastest of `repeats` calls, after one that warms up. */
export async function bestOf(call: () => Promise<unknown>, repeats: number): Promise<number> {
  await call();
  let best = Infinity;
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await call();
    best = Math.min(best, performance.now() - start);
  }
  return best / 1000;
}
