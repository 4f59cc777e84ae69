import { readFile, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Run } from '../../pipeline/runs/run.js';
import { html } from '../../stages/report/markup/html.js';
import type { Section } from '../../stages/report/sections/section.js';

/** Lines of the log that are shown, from its end. */
const logLines = 40;

/** What went wrong, what to do, and the end of the stage's log; nothing for a run that did not fail. */
export async function failureSection({ state, stage, record, directory }: Run): Promise<Section | undefined> {
  if ((state !== 'failed' && state !== 'died') || stage === undefined) return undefined;
  const failure = record.stages[stage]?.failure;
  const log = await readLog(directory, `${stage}.log`);
  const lines = log.trimEnd().split('\n').slice(-logLines);
  return {
    id: 'failure',
    title: 'What went wrong',
    stage,
    lead:
      failure === undefined
        ? 'The process ended without a word: killed, out of memory, or the machine went down. Running the same file again continues where it stopped.'
        : [failure.message, failure.remedy !== undefined && ` ${failure.remedy}`],
    body: html`<details open>
      <summary>Log<span class="unseen"> of ${stage}</span></summary>
      <pre role="group" tabindex="0" aria-label="Log of ${stage}"><code>${lines.join('\n')}</code></pre>
    </details>`,
  };
}

/** A log; nothing where there is none. What a link leads to is shown only where that lies in the run's own folder. */
async function readLog(directory: string, name: string): Promise<string> {
  try {
    const [folder, file] = await Promise.all([realpath(directory), realpath(join(directory, name))]);
    if (file.startsWith(folder + sep)) return await readFile(file, 'utf8');
    return `${name} is a link to ${file}, outside of the run's folder: it is not shown here.`;
  } catch {
    return '';
  }
}
