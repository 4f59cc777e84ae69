import { shortNames } from '../../base/short-names.js';
import type { Run } from './run.js';

/** Values that a run was started with in place of its file's, such as those of a trial: `mediators 4, seed 1`. */
export function settingsOf({ record }: Pick<Run, 'record'>): string {
  const pairs = record.options.set.map(
    (setting) => /^([^=]*)=(.*)$/s.exec(setting)?.slice(1) ?? [setting, ''],
  );
  const names = shortNames(pairs.map(([key]) => key!));
  return pairs.map(([key, value]) => `${names.get(key!)!} ${value!}`).join(', ');
}
