import { describe, expect, it } from 'vitest';
import { messagesOf } from './files.js';
import { messages, pipelineText } from './pipelines.js';

/** What someone new to YAML, or to these files, writes; with the problem that is told, and what is said to do about it. */
describe('what newcomers write', () => {
  const stage = (id: string, text: string): string => pipelineText({ [id]: text });
  const images = (rest: string): string =>
    stage('images', `{ uses: images, path: photos, size: 32, ${rest} }`);
  const train = (rest: string): string =>
    stage(
      'train',
      `{ uses: train, latents: latents, steps: 10, model: { name: SiT-S/2, patchSize: 1, mediators: 4 }, ${rest} }`,
    );
  const sample = (rest: string): string =>
    stage('sample', `{ uses: sample, model: train, autoencoder: autoencoder, count: 4, ${rest} }`);

  it.each<[written: string, text: string, code: string, told: string]>([
    // Numbers
    ['1_000', stage('images', '{ uses: images, path: photos, size: 1_000 }'), 'wrong-type', 'Write 1000.'],
    ['1,000 in quotes', train('globalBatch: "1,024"'), 'wrong-type', 'Write 1024.'],
    ['10k', sample('batch: 10k'), 'wrong-type', 'Write 10000.'],
    ['64px', stage('images', '{ uses: images, path: photos, size: 64px }'), 'wrong-type', 'Write 64.'],
    ['10 %', train('ema: 10%'), 'wrong-type', 'Write 0.1.'],
    [
      'a number in quotes',
      stage('images', '{ uses: images, path: photos, size: "32" }'),
      'wrong-type',
      'without quotes: 32.',
    ],
    ['not a number', train('learningRate: .nan'), 'wrong-type', 'NaN'],
    ['infinity', train('learningRate: .inf'), 'wrong-type', 'Infinity'],
    ['nan as a word', train('learningRate: nan'), 'wrong-type', 'must be'],
    ['a huge number', pipelineText({}, 'seed: 99999999999999999999\n'), 'out-of-range', 'at most 4294967295'],
    ['a fraction', train('globalBatch: 2.5'), 'wrong-type', 'a whole number; `2.5`'],
    [
      'a date',
      stage('images', '{ uses: images, path: 2026-01-01, size: 2026-01-01 }'),
      'wrong-type',
      'the text `2026-01-01`',
    ],
    // Truth
    [
      'yes',
      stage('latents', '{ uses: encode, images: images, autoencoder: autoencoder, flips: yes }'),
      'wrong-type',
      'Write true',
    ],
    [
      'Off',
      stage('latents', '{ uses: encode, images: images, autoencoder: autoencoder, flips: Off }'),
      'wrong-type',
      'Write false',
    ],
    [
      '"true"',
      stage('latents', '{ uses: encode, images: images, autoencoder: autoencoder, flips: "true" }'),
      'wrong-type',
      'without quotes',
    ],
    // Lists and maps
    ['cat,dog', sample('classes: cat,dog'), 'list-without-brackets', '`classes: [cat, dog]`'],
    ['cat,dog as a text', sample('classes: "cat,dog"'), 'unknown-value', 'Write a list: [cat, dog].'],
    [
      'a list that belongs in a map',
      stage('latents', '{ uses: encode, images: images, autoencoder: autoencoder, flips: [cat, dog] }'),
      'wrong-type',
      'Write { classes: [cat, dog] }.',
    ],
    [
      'such a list without brackets',
      stage('latents', '{ uses: encode, images: images, autoencoder: autoencoder, flips: cat,dog }'),
      'list-without-brackets',
      '`flips: { classes: [cat, dog] }`',
    ],
    [
      'a list where none is',
      train('learningRate: slow,fast'),
      'list-without-brackets',
      '`learningRate` takes no list',
    ],
    ['numbers without brackets', train('betas: 0,1'), 'list-without-brackets', '`betas: [0, 1]`'],
    ['a decimal comma', train('learningRate: 5,6'), 'decimal-comma', 'Write `learningRate: 5.6`.'],
    ['zeros after it', train('learningRate: 0,001'), 'decimal-comma', 'Write `learningRate: 0.001`.'],
    ['a decimal comma in quotes', train('learningRate: "0,001"'), 'wrong-type', 'Write 0.001.'],
    [
      'one item for a list',
      stage('report', '{ uses: report, stages: train }'),
      'wrong-type',
      'Write a list: [train].',
    ],
    ['a word for a map', sample('sampler: euler'), 'wrong-type', 'For example: { kind: ode'],
    [
      'stages as a list',
      'name: a\nstages:\n  - uses: images\n    path: x\n    size: 8\n',
      'wrong-type',
      'must be a map; a list',
    ],
    // Nothing
    [
      'a colour without quotes',
      `name: a\nstages:\n  i:\n    uses: images\n    path: x\n    size: 8\n    background: #ffffff\n`,
      'wrong-type',
      "Put the value in quotes: '#ffffff'",
    ],
    ['~ for home', stage('images', '{ uses: images, path: ~, size: 32 }'), 'wrong-type', '${env:HOME}'],
    ['null for a default', train('learningRate: null'), 'wrong-type', 'remove the key for its default'],
    ['no stages', 'name: a\nstages:\n', 'wrong-type', 'nothing was found'],
    [
      'an empty stage',
      'name: a\nstages:\n  images:\n',
      'wrong-type',
      'Give `images` a value, or remove the key.',
    ],
    ['an empty map of stages', 'name: a\nstages: {}\n', 'no-stages', 'at least one stage'],
    // Paths
    [
      '~/photos',
      stage('images', '{ uses: images, path: ~/photos, size: 32 }'),
      'shell-path',
      '`${env:HOME}/photos`',
    ],
    [
      '$HOME/photos',
      stage('images', '{ uses: images, path: $HOME/photos, size: 32 }'),
      'shell-path',
      '`${env:HOME}/photos`',
    ],
    [
      '${HOME}',
      stage('images', '{ uses: images, path: "${HOME}/x", size: 32 }'),
      'malformed-reference',
      'One is `${env:HOME}`',
    ],
    [
      '~/vae',
      stage('autoencoder', '{ uses: autoencoder, weights: ~/vae }'),
      'shell-path',
      '`${env:HOME}/vae`',
    ],
    // Keys
    ['the key one level up', train('mediators: 4'), 'unknown-key', 'Did you mean `model.mediators`?'],
    [
      'the key one level down',
      train('samples: { autoencoder: autoencoder, everySteps: 5, learningRate: 1 }'),
      'unknown-key',
      'Did you mean `stages.train.learningRate`?',
    ],
    ['another case', images('Labels: folders'), 'unknown-key', 'Did you mean `labels`?'],
    ['another hyphenation', train('learning-rate: 1'), 'unknown-key', 'Did you mean `learningRate`?'],
    ['snake_case', train('learning_rate: 1'), 'unknown-key', 'Did you mean `learningRate`?'],
    [
      'the singular',
      'name: a\nstage: { i: { uses: images, path: x, size: 8 } }\n',
      'unknown-key',
      'Did you mean `stages`?',
    ],
    [
      'the plural',
      stage('images', '{ uses: images, paths: photos, size: 32 }'),
      'unknown-key',
      'Did you mean `path`?',
    ],
    [
      'a stage outside of stages',
      `${pipelineText()}other: { uses: images, path: x, size: 8 }\n`,
      'unknown-key',
      'Did you mean `stages.other`?',
    ],
    [
      'uses: image',
      stage('images', '{ uses: image, path: photos, size: 32 }'),
      'unknown-kind',
      'Did you mean `images`?',
    ],
    [
      'uses: Train',
      stage('train', '{ uses: Train, latents: latents }'),
      'unknown-kind',
      'Did you mean `train`?',
    ],
    [
      'a stage by another case',
      sample('x: 1').replace('model: train,', 'model: Train,'),
      'unknown-stage',
      'Did you mean `train`?',
    ],
    ['the same key twice', images('size: 64'), 'duplicate-key', 'Keep one of the two.'],
    [
      'a merge of no map',
      'name: a\nstages:\n  i: { <<: 3, uses: images, path: x, size: 8 }\n',
      'bad-merge',
      '`<<: *base`',
    ],
    [
      'an anchor that is below',
      'name: a\nstages: { i: *x, j: &x { uses: images, path: x, size: 8 } }\n',
      'unknown-anchor',
      'not defined above it',
    ],
    [
      'an anchor inside of itself',
      'name: a\nstages: &s { i: *s }\n',
      'circular-alias',
      'inside its own anchor',
    ],
    [
      'stages in a circle',
      stage('latents', '{ uses: encode, images: images, autoencoder: autoencoder }').replace(
        'images: images, channels',
        'images: latents, channels',
      ),
      'wrong-stage-kind',
      'Stages that fit: `images`',
    ],
    [
      'a stage as its own input',
      stage('report', '{ uses: report, stages: [report] }'),
      'self-reference',
      'Stages that fit',
    ],
    [
      'a unicode id',
      'name: a\nstages: { bilder-ä: { uses: images, path: x, size: 8 } }\n',
      'wrong-stage-id',
      'letters, digits',
    ],
    [
      'an id that starts with a digit',
      'name: a\nstages: { 1st: { uses: images, path: x, size: 8 } }\n',
      'wrong-stage-id',
      'a letter, then',
    ],
    [
      'an id of a folder of runs',
      'name: a\nstages: { profiles: { uses: images, path: x, size: 8 } }\n',
      'wrong-stage-id',
      'Choose another name.',
    ],
    [
      'an id of 300 characters',
      `name: a\nstages: { ${'n'.repeat(300)}: { uses: images, path: x, size: 8 } }\n`,
      'wrong-stage-id',
      'at most 100',
    ],
    [
      'a name of 300 characters',
      pipelineText().replace('name: test', `name: ${'n'.repeat(300)}`),
      'too-long',
      'at most 100 characters; 300 were found',
    ],
    [
      'the name of a folder of runs',
      pipelineText().replace('name: test', 'name: store'),
      'name-reserved',
      'Choose another name.',
    ],
    [
      'a name with capitals',
      pipelineText().replace('name: test', 'name: My_Run'),
      'wrong-format',
      'lower-case letters',
    ],
    [
      'a number for the name',
      pipelineText().replace('name: test', 'name: 42'),
      'wrong-type',
      "Put it in quotes: '42'.",
    ],
    // YAML itself
    [
      'a tab',
      'name: a\nstages:\n\timages: { uses: images, path: x, size: 8 }\n',
      'tab-indentation',
      'Replace the tab by spaces.',
    ],
    ['a colour without quotes in braces', images('background: #ffffff'), 'comment-in-braces', "'#ffffff'"],
    ['two documents', `${pipelineText()}---\nname: b\n`, 'several-documents', 'a file of its own'],
    ['a tag', 'name: !!str a\nstages: { i: !image { uses: images } }\n', 'unknown-tag', 'Remove the tag.'],
    [
      'a colon in a text',
      'name: a\nstages:\n  i:\n    uses: images\n    path: a: b\n    size: 8\n',
      'yaml-syntax',
      'in quotes',
    ],
    ['an empty file', '', 'empty-file', 'A pipeline has a `name` and `stages`.'],
    ['a comment alone', '# soon\n', 'empty-file', 'A pipeline has a `name` and `stages`.'],
    ['JSON of a list', '[1, 2]', 'not-a-pipeline', 'a list was found'],
    [
      'a bracket that is not closed',
      'name: a\nstages: { i: { uses: images, path: x, size: 8 }\n',
      'yaml-syntax',
      'must end with a }',
    ],
    [
      'wrong indentation',
      'name: a\nstages:\n  i:\n   uses: images\n  path: x\n    size: 8\n',
      'yaml-syntax',
      '',
    ],
  ])('%s', async (_, text, code, told) => {
    const shown = await messages(text);
    expect(shown).toMatch(new RegExp(`^\\S+ error ${code}: `, 'm'));
    expect(shown).toContain(told);
    expect(shown).not.toMatch(/undefined|\[object/);
  });

  it.each<[set: string, code: string, told: string]>([
    ['train.steps=3', 'unknown-key', 'Did you mean `stages.train`?'],
    ['stages.train.mediators=4', 'unknown-key', 'Did you mean `model.mediators`?'],
    ['stages.images.size=1_000', 'wrong-type', 'Write 1000.'],
    ['stages.sample.classes=cat,dog', 'unknown-value', 'Write a list: [cat, dog].'],
    ['stages.images.path=~/photos', 'shell-path', '`${env:HOME}/photos`'],
    ['stages.Train.steps=3', 'unknown-stage', 'Did you mean `train`?'],
    ['stages/train/steps=3', 'unknown-key', 'is not a key of a pipeline'],
    ['stages.train.steps: 3', 'malformed-override', 'For example: --set'],
    ['stages.images.background=red', 'wrong-format', '#ffffff'],
  ])('--set %s', async (option, code, told) => {
    const shown = await messages(pipelineText(), [option]);
    expect(shown).toMatch(new RegExp(`error ${code}: `));
    expect(shown).toContain(told);
  });

  it('weights over a base that trains its autoencoder: one problem, where it is written', async () => {
    const files = {
      'a.yaml': 'extends: base.yaml\nstages: { autoencoder: { weights: stabilityai/sd-vae-ft-ema } }\n',
      'base.yaml': pipelineText(),
    };
    const shown = await messagesOf(files);
    expect(shown.match(/ error /g)).toHaveLength(1);
    expect(shown).toContain(
      'a.yaml:2:26 error conflicting-keys: `autoencoder` takes either `weights` or `images`, `channels` and `steps`',
    );
    expect(shown).toContain('Remove the others with `images: null, channels: null, steps: null`.');
  });
});

describe('understood as it is written', () => {
  it.each([
    ['a byte order mark', `\uFEFF${pipelineText()}`],
    ['line ends of Windows', pipelineText().replaceAll('\n', '\r\n')],
    ['a number in hexadecimal', pipelineText({ images: '{ uses: images, path: photos, size: 0x20 }' })],
    ['a number with an exponent', pipelineText({}, 'seed: 1e3\n')],
    [
      'TRUE',
      pipelineText({ latents: '{ uses: encode, images: images, autoencoder: autoencoder, flips: TRUE }' }),
    ],
    ['./~', pipelineText({ images: '{ uses: images, path: ./~/photos, size: 32 }' })],
  ])('%s', async (_, text) => {
    expect(await messages(text)).toBe('');
  });
});
