/** Shortest end of each dotted key that no other key has: `mediators` for `stages.train.model.mediators`. */
export function shortNames(keys: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    keys.map((key) => {
      const parts = key.split('.');
      for (let length = 1; length < parts.length; length++) {
        const end = parts.slice(-length).join('.');
        if (keys.filter((other) => other === end || other.endsWith(`.${end}`)).length === 1)
          return [key, end];
      }
      return [key, key];
    }),
  );
}
