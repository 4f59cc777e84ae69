import { onDamaged } from '../../src/base/sealed.js';

/** Does work; gives its result and what was said of damaged records meanwhile. */
export async function toldOfDamage<T>(work: () => T | Promise<T>): Promise<{ result: T; told: string[] }> {
  const told: string[] = [];
  const end = onDamaged((message) => told.push(message));
  try {
    return { result: await work(), told };
  } finally {
    end();
  }
}
