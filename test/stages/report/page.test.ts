import { readFile } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { html } from '../../../src/pages/html.js';
import { output, removeFolders, run, wholePipeline } from './outputs.js';

afterAll(removeFolders);

describe('the report stage', () => {
  it('tells its progress and names its page', async () => {
    const { events } = await run(await wholePipeline());
    expect(events.at(-2)).toEqual({ type: 'progress', done: 5, total: 5, unit: 'stages' });
    expect(events.at(-1)).toEqual({ type: 'summary', values: { page: 'report.html' } });
  });

  it('gives the same bytes for the same outputs', async () => {
    const outputs = await wholePipeline();
    const [first, second] = [await run(outputs), await run(outputs)];
    expect(await readFile(first.path)).toEqual(await readFile(second.path));
  });

  it('escapes titles and names', async () => {
    const text = await readFile((await run(await wholePipeline(), '<img src=x> & "more"')).path, 'utf8');
    expect(text).toContain('<title>&lt;img src=x&gt; &amp; &quot;more&quot;</title>');
    expect(text).not.toContain('<img src=x>');
    expect(text).not.toContain('<b>dogs');
    expect(text).not.toContain('<script>fail');
    expect(text.match(/<script/g)).toHaveLength(1);
  });

  it('takes stages of which there is nothing to see', async () => {
    const { path } = await run([await output({ stage: 'bare', kind: 'other' })]);
    expect(await readFile(path, 'utf8')).toContain('uses: other');
  });

  it('shows what a kind declares, whatever kind that is', async () => {
    const stage = await output({ stage: 'one', kind: 'toy', summary: { toys: 1234, picture: 'a.png' } });
    const more = await output({ stage: 'two', kind: 'toy', summary: { toys: 1 } });
    const section = ({ stage: title }: { stage: string }) => ({ id: title, title, body: html`of ${title}` });
    const pages = new Map([['toy', { total: 'toys', sections: [{ rank: 0, build: section }] }]]);
    const { path } = await run([stage, more], undefined, () => Promise.resolve(pages));
    const text = await readFile(path, 'utf8');
    expect(text.match(/<section id="[^"]+/g)).toEqual(
      ['pipeline', 'one', 'two', 'stages'].map((id) => `<section id="${id}`),
    );
    expect(text).toMatch(/<dt>toys<\/dt>\s*<dd>1,235<\/dd>/);
  });

  it('names a file that it misses', async () => {
    const sample = await output({ stage: 'sample', kind: 'sample' });
    await expect(run([sample])).rejects.toMatchObject({
      code: 'file-missing',
      message: `${sample.directory}/samples.json: there is no such file or folder.`,
    });
  });
});
