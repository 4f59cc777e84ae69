/** Something open, which must be closed after use. */
export interface Closable {
  close(): Promise<unknown>;
}

/**
 * Opens several things, one after the other: where that fails, what `keep` was told of is closed, the last first.
 *
 * @param open returns what then owns all of them
 */
export async function openTogether<T>(
  open: (keep: <R extends Closable>(opened: R) => R) => Promise<T>,
): Promise<T> {
  const kept: Closable[] = [];
  try {
    return await open((opened) => {
      kept.push(opened);
      return opened;
    });
  } catch (error) {
    for (const opened of kept.reverse()) await opened.close();
    throw error;
  }
}
