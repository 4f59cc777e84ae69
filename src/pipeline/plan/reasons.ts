import type { Json } from '../stage.js';

/** Why a stage runs. A closed union; `formatReason` puts each into words. */
export type Reason =
  | { readonly type: 'never-run' }
  /** It ran, but its output is no longer there. */
  | { readonly type: 'output-missing' }
  | { readonly type: 'output-damaged'; readonly problem: string }
  /** `from` or `to` is absent where the key was. */
  | { readonly type: 'changed'; readonly key: string; readonly from?: Json; readonly to?: Json }
  | {
      readonly type: 'input-changed';
      readonly location: string;
      /** Names of files; undefined where the earlier list was not kept. */
      readonly files?: {
        readonly added: readonly string[];
        readonly removed: readonly string[];
        readonly changed: readonly string[];
      };
    }
  | { readonly type: 'upstream-changed'; readonly stage: string }
  | { readonly type: 'code-changed'; readonly kind: string; readonly from: number; readonly to: number }
  /** `by` is the stage that was named, where that is another one. */
  | { readonly type: 'forced'; readonly by?: string };

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
    case 'code-changed':
      return `code of ${reason.kind}: version ${reason.from} → ${reason.to}`;
    case 'forced':
      return reason.by === undefined ? 'forced' : `forced, with ${reason.by}`;
  }
}

const longestValue = 60;

function formatValue(value: Json | undefined): string {
  if (value === undefined) return '(not set)';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > longestValue ? `${text.slice(0, longestValue - 1)}…` : text;
}

const namedFiles = 3;

function formatFiles(files: (Reason & { type: 'input-changed' })['files']): string {
  if (files === undefined) return 'content changed';
  const { added, removed, changed } = files;
  const names = [...changed, ...added, ...removed].filter((name) => name !== '');
  const total = added.length + removed.length + changed.length;
  const parts = [
    changed.length > 0 ? `${changed.length} changed` : '',
    added.length > 0 ? `${added.length} added` : '',
    removed.length > 0 ? `${removed.length} removed` : '',
  ].filter((part) => part !== '');
  const what =
    parts.length === 1
      ? `${total} ${total === 1 ? 'file' : 'files'} ${parts[0]!.split(' ')[1]!}`
      : `${total} files differ (${parts.join(', ')})`;
  if (names.length === 0) return 'content changed';
  const more = names.length > namedFiles ? ', …' : '';
  return `${what}: ${names.slice(0, namedFiles).join(', ')}${more}`;
}
