import { readdir } from 'node:fs/promises';

/** Name of what a training leaves of a step, such as a checkpoint: names are in the order of steps. */
export const stepName = (step: number): string => `step-${String(step).padStart(9, '0')}`;

/** The step that a name with an ending is of; undefined for other names. */
export function stepOf(name: string, ending = ''): number | undefined {
  const digits = /^step-(\d{9})$/.exec(name.slice(0, name.length - ending.length))?.[1];
  return digits === undefined || !name.endsWith(ending) ? undefined : Number(digits);
}

/** Steps of which a folder holds something, by names with an ending, ascending; none where there is no folder. */
export async function stepsIn(folder: string, ending = ''): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap((name) => stepOf(name, ending) ?? []).sort((a, b) => a - b);
}
