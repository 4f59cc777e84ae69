import { expect, it } from 'vitest';
import { formatDiagnostics } from '../../src/runner/format-diagnostics.js';
import { loadPipeline } from '../../src/stages/load.js';
import { messages } from './pipelines.js';

async function missing(): Promise<string> {
  const loaded = await loadPipeline('pipelines/nowhere.yaml');
  return loaded.ok ? '' : formatDiagnostics(loaded.diagnostics);
}

it('an empty file', async () => {
  expect(await messages('# nothing\n')).toMatchInlineSnapshot(`
    "p.yaml:1:1 error empty-file: A pipeline was expected; the file is empty.
        # nothing
        ^
      A pipeline has a \`name\` and \`stages\`."
  `);
});

it('a list at the top', async () => {
  expect(await messages('- name: x\n')).toMatchInlineSnapshot(`
    "p.yaml:1:1 error not-a-pipeline: A pipeline is a map of keys and values; a list was found.
        - name: x
        ^^^^^^^^^
      A pipeline has a \`name\` and \`stages\`."
  `);
});

it('a word at the top', async () => {
  expect(await messages('hello\n')).toMatchInlineSnapshot(`
    "p.yaml:1:1 error not-a-pipeline: A pipeline is a map of keys and values; a single value was found.
        hello
        ^^^^^
      A pipeline has a \`name\` and \`stages\`."
  `);
});

it('a tab as indentation', async () => {
  expect(await messages('name: x\nstages:\n\timages: {}\n')).toMatchInlineSnapshot(`
    "p.yaml:3:1 error tab-indentation: YAML is indented with spaces; a tab was found.
        	images: {}
        ^
      Replace the tab by spaces."
  `);
});

it('an unclosed list', async () => {
  expect(await messages('name: [x\nstages: {}\n')).toMatchInlineSnapshot(`
    "p.yaml:2:1 error yaml-syntax: A list in brackets must end with a ].
        stages: {}
        ^"
  `);
});

it('an unclosed quote', async () => {
  expect(await messages('name: "x\n')).toMatchInlineSnapshot(`
    "p.yaml:1:9 error yaml-syntax: Missing closing " quote.
        name: "x
                ^"
  `);
});

it('a map inside of a value', async () => {
  expect(await messages('name: a: b\n')).toMatchInlineSnapshot(`
    "p.yaml:1:7 error yaml-syntax: A map cannot start inside a value.
        name: a: b
              ^
      Put text that contains ": " in quotes, or check the indentation."
  `);
});

it('a reserved character', async () => {
  expect(await messages('name: @x\n')).toMatchInlineSnapshot(`
    "p.yaml:1:7 error yaml-syntax: Plain value cannot start with reserved character @.
        name: @x
              ^"
  `);
});

it('two documents', async () => {
  expect(await messages('name: a\n---\nname: b\n')).toMatchInlineSnapshot(`
    "p.yaml:2:1 error several-documents: A file holds one pipeline; a second YAML document starts here.
        ---
        ^^^
      Put it in a file of its own."
  `);
});

it('a tag', async () => {
  expect(await messages('name: !!js/function x\n')).toMatchInlineSnapshot(`
    "p.yaml:1:7 error unknown-tag: YAML tags are not used in pipelines.
        name: !!js/function x
              ^^^^^^^^^^^^^
      Remove the tag."
  `);
});

it('a key twice', async () => {
  expect(
    await messages('name: a\nseed: 1\nname: b\nstages: { images: { uses: images, path: x, size: 8 } }\n'),
  ).toMatchInlineSnapshot(`
    "p.yaml:3:1 error duplicate-key: \`name\` is already a key of this map.
        name: b
        ^^^^
      Keep one of the two.
      p.yaml:1:1 first used here
        name: a
        ^^^^"
  `);
});

it('an anchor that is not there', async () => {
  expect(await messages('name: a\nstages: { images: { uses: images, path: *where, size: 8 } }\n'))
    .toMatchInlineSnapshot(`
    "p.yaml:2:41 error unknown-anchor: \`*where\` refers to the anchor \`&where\`, which is not defined above it.
        stages: { images: { uses: images, path: *where, size: 8 } }
                                                ^^^^^^"
  `);
});

it('an alias inside of itself', async () => {
  expect(await messages('name: a\nstages: &s\n  images: *s\n')).toMatchInlineSnapshot(`
    "p.yaml:3:11 error circular-alias: \`*s\` is inside its own anchor.
          images: *s
                  ^^"
  `);
});

it('a merge of something that is no map', async () => {
  expect(await messages('name: a\nstages:\n  images: { <<: [1], uses: images, path: x, size: 8 }\n'))
    .toMatchInlineSnapshot(`
    "p.yaml:3:17 error bad-merge: \`<<\` merges maps; something else was found.
          images: { <<: [1], uses: images, path: x, size: 8 }
                        ^^^
      Name the anchor of a map, as in \`<<: *base\`."
  `);
});

it('a list as a key', async () => {
  expect(await messages('name: a\n? [b, c]\n: 1\nstages: { images: { uses: images, path: x, size: 8 } }\n'))
    .toMatchInlineSnapshot(`
    "p.yaml:2:3 error yaml-syntax: A key must be a word; a map or list was found.
        ? [b, c]
          ^^^^^^"
  `);
});

it('text that is not UTF-8', async () => {
  expect(await messages(Uint8Array.of(0x6e, 0x3a, 0x20, 0xff, 0xfe))).toMatchInlineSnapshot(`
    "p.yaml error not-utf8: The file is not UTF-8 text.
      Save it with the encoding UTF-8."
  `);
});

const levels = 20_000;

it.each([
  ['lists', `a: ${'['.repeat(levels)}`],
  ['closed lists', `a: ${'['.repeat(levels)}${']'.repeat(levels)}`],
  ['maps', `${'{a: '.repeat(levels)}1${'}'.repeat(levels)}`],
  ['items of lists', `a: ${'- '.repeat(levels)}1`.replace('a: ', 'a:\n  ')],
  ['maps by indentation', Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
  ['keys', `${'? '.repeat(levels)}a`],
])('%s nested without end', async (_, text) => {
  expect(await messages(text)).toMatch(
    /^p.yaml:\d+:\d+ error nested-too-deeply: Lists and maps may be nested 200 levels deep; here is one more\.\n/,
  );
});

it('as many levels as there may be', async () => {
  expect(await messages(`a: ${'['.repeat(198)}${']'.repeat(198)}`)).not.toContain('nested-too-deeply');
});

it('a file that is not there', async () => {
  expect(await missing()).toMatchInlineSnapshot(`
    "pipelines/nowhere.yaml error file-missing: There is no such file.
      Check the path and the current folder."
  `);
});
