import { describe, expect, it } from 'vitest';
import { configsOf, loadFiles, messagesOf } from './files.js';
import { pipelineText } from './pipelines.js';

const reading = (images: string): Record<string, string> => ({ 'p.yaml': pipelineText({ images }) });

describe('a reference to the environment', () => {
  it('is typed by the schema at its place, wherever it is written', async () => {
    const configs = await configsOf(
      {
        'p.yaml': `extends: base.yaml
stages:
  images:
    path: /data/\${env:OWNER}/photos
    size: \${env:SIZE}
    classes: \${env:CLASSES}
  autoencoder: { flips: '\${env:FLIPS:-true}', channels: ['\${env:WIDTH:-8}', 16, 32] }
  report: { title: '\${env:SIZE}' }
`,
        'base.yaml': pipelineText({
          latents: "{ uses: encode, images: images, autoencoder: autoencoder, flips: '${env:FLIPS:-false}' }",
        }),
      },
      { env: { OWNER: 'me', SIZE: '32', CLASSES: '[cat, "7"]' } },
    );
    expect(configs).toMatchObject({
      images: { path: '/data/me/photos', size: 32, classes: ['cat', '7'] },
      autoencoder: { flips: true, channels: [8, 16, 32] },
      latents: { flips: false },
      report: { title: '32' },
    });
  });

  it('takes the default where the variable is not set or empty, and needs none that is overridden', async () => {
    const images = "{ uses: images, path: '${env:PHOTOS}', size: '${env:SIZE:-32}' }";
    const options = { env: { SIZE: '' }, set: ['stages.images.path=here'] };
    expect(await configsOf(reading(images), options)).toMatchObject({ images: { path: 'here', size: 32 } });
  });

  it('is text after $$, and what a variable holds is not looked at again', async () => {
    const configs = await configsOf(
      reading("{ uses: images, path: '$${env:X} ${env:X}', size: 32, classes: [$a, 'b$'] }"),
      { env: { X: '${env:Y}' } },
    );
    expect(configs.images).toMatchObject({ path: '${env:X} ${env:Y}', classes: ['$a', 'b$'] });
  });

  it('works in an option', async () => {
    const loaded = await loadFiles(
      { 'p.yaml': pipelineText() },
      { env: { STEPS: '7' }, set: ['stages.train.steps=${env:STEPS}'] },
    );
    expect(loaded.ok && loaded.sources.get('stages.train.steps')).toMatchObject({
      file: '--set',
      environment: ['STEPS'],
    });
  });
});

describe('an error', () => {
  it('is at the reference', async () => {
    const env = { SIZE: 'large' };
    const images =
      "{ uses: images, path: 'a/${env:PHOTOS}/${NAME}/${env:X', size: '${env:SIZE}', background: '${env:HF_TOKEN}' }";
    expect(await messagesOf(reading(images), { env })).toMatchInlineSnapshot(`
      "p.yaml:3:36 error missing-variable: The environment variable \`PHOTOS\` is not set.
            images: { uses: images, path: 'a/\${env:PHOTOS}/\${NAME}/\${env:X', size: '\${env:SIZE}', background: '\${env:HF_TOKEN}' }
                                             ^^^^^^^^^^^^^
        Set it, or give a default, as in \`\${env:PHOTOS:-value}\`.

      p.yaml:3:50 error malformed-reference: \`\${NAME}\` is not a reference to an environment variable or to a value.
            images: { uses: images, path: 'a/\${env:PHOTOS}/\${NAME}/\${env:X', size: '\${env:SIZE}', background: '\${env:HF_TOKEN}' }
                                                           ^^^^^^^
        One is \`\${env:NAME}\`, \`\${env:NAME:-default}\` or \`\${stages.STAGE.KEY}\`. For the characters themselves write \`$\${\`.

      p.yaml:3:58 error malformed-reference: \`\${env:X\` is not a reference to an environment variable or to a value.
            images: { uses: images, path: 'a/\${env:PHOTOS}/\${NAME}/\${env:X', size: '\${env:SIZE}', background: '\${env:HF_TOKEN}' }
                                                                   ^^^^^^^
        One is \`\${env:NAME}\`, \`\${env:NAME:-default}\` or \`\${stages.STAGE.KEY}\`. For the characters themselves write \`$\${\`.

      p.yaml:3:74 error wrong-type: \`size\` must be a whole number; the text \`large\` was found.
            images: { uses: images, path: 'a/\${env:PHOTOS}/\${NAME}/\${env:X', size: '\${env:SIZE}', background: '\${env:HF_TOKEN}' }
                                                                                   ^^^^^^^^^^^^^

      p.yaml:3:102 error secret-in-pipeline: \`HF_TOKEN\` looks like a secret; values in a pipeline are recorded in every run.
            images: { uses: images, path: 'a/\${env:PHOTOS}/\${NAME}/\${env:X', size: '\${env:SIZE}', background: '\${env:HF_TOKEN}' }
                                                                                                               ^^^^^^^^^^^^^^^
        Leave secrets out of the file: the program reads them from the environment where it needs them."
    `);
  });

  it('of a reference in braces without quotes says so', async () => {
    expect(await messagesOf(reading('{ uses: images, path: ${env:PHOTOS}, size: 32 }')))
      .toMatchInlineSnapshot(`
      "p.yaml:3:33 error unquoted-reference: Inside braces or brackets, \`\${…}\` must be in quotes.
            images: { uses: images, path: \${env:PHOTOS}, size: 32 }
                                          ^^
        For example: \`{ path: '\${env:NAME}' }\`."
    `);
  });
});
