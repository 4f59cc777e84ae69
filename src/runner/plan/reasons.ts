import { asText, counted, inWords } from '../../base/format.js';
import type { Json } from '../stage.js';

/** Reason why a stage runs. A closed union; `formatReason` puts each into words. */
export type Reason =
  | { readonly type: 'never-run' }
  /** Reason: it ran, but its output is no longer there. */
  | { readonly type: 'output-missing' }
  | { readonly type: 'output-damaged'; readonly problem: string }
  /** `from` or `to` is absent where the key was. */
  | { readonly type: 'changed'; readonly key: string; readonly from?: Json; readonly to?: Json }
  | {
      readonly type: 'input-changed';
      /** Location as the configuration has it. */
      readonly location: string;
      /** Absent where the earlier list was not kept. */
      readonly files?: ChangedFiles;
    }
  | { readonly type: 'upstream-changed'; readonly stage: string }
  /** Reason: it is cached if these earlier stages, which run, give what they gave before. */
  | { readonly type: 'unless-as-before'; readonly stages: readonly string[] }
  | { readonly type: 'code-changed'; readonly kind: string; readonly from: number; readonly to: number }
  /** `by` is the stage that was named, where that is another one. */
  | { readonly type: 'forced'; readonly by?: string };

/** Number of files of an input that changed, and the names of some. A type, not an interface: it is written as JSON. */
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type ChangedFiles = {
  readonly changed: number;
  readonly added: number;
  readonly removed: number;
  readonly names: readonly string[];
};

/** A reason in a few words, such as `stages.train.model.mediators: 16 → 64` or `never run`. */
export function formatReason(reason: Reason): string {
  switch (reason.type) {
    case 'never-run':
      return 'never run';
    case 'output-missing':
      return 'its output was removed';
    case 'output-damaged':
      return `its output is damaged: ${reason.problem}`;
    case 'changed':
      return `${reason.key}: ${formatValue(reason.from)} → ${formatValue(reason.to)}`;
    case 'input-changed':
      return `${reason.location}: ${formatFiles(reason.files)}`;
    case 'upstream-changed':
      return `upstream: ${reason.stage} changed`;
    case 'unless-as-before':
      return reason.stages.length === 1
        ? `unless ${reason.stages[0]!} gives what it gave before`
        : `unless ${inWords(reason.stages)} give what they gave before`;
    case 'code-changed':
      return `code of ${reason.kind}: version ${reason.from} → ${reason.to}`;
    case 'forced':
      return reason.by === undefined ? 'forced' : `forced, with ${reason.by}`;
  }
}

const longestValue = 60;

function formatValue(value: Json | undefined): string {
  if (value === undefined) return '(not set)';
  const text = asText(value);
  return text.length > longestValue ? `${text.slice(0, longestValue - 1)}…` : text;
}

function formatFiles(files: ChangedFiles | undefined): string {
  if (files === undefined) return 'content changed';
  const { changed, added, removed } = files;
  const names = files.names.filter((name) => name !== '');
  if (names.length === 0) return 'content changed';
  const total = changed + added + removed;
  const parts = Object.entries({ changed, added, removed }).filter(([, count]) => count > 0);
  const what =
    parts.length === 1
      ? `${counted(total, 'file')} ${parts[0]![0]}`
      : `${total} files differ (${parts.map(([name, count]) => `${count} ${name}`).join(', ')})`;
  return `${what}: ${names.join(', ')}${total > names.length ? ', …' : ''}`;
}
