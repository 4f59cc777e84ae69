import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { decode, encode } from '../../../src/models/autoencoder-kl/autoencoder-kl.js';
import { type AutoencoderConfig, readDiffusersConfig } from '../../../src/models/autoencoder-kl/config.js';
import { fromDiffusers } from '../../../src/models/autoencoder-kl/diffusers.js';
import { autoencoderParameters } from '../../../src/models/autoencoder-kl/parameters.js';
import type { HostTensors, Tensor4D, Tensors } from '../../../src/tensorflow/index.js';
import { type Check, expectNear, notUnderstood, type ProgramFixtureKind } from '../check.js';
import type { Execution } from '../execution.js';
import { type Fixture, programInput, readFixture, statedTolerance, stored } from '../fixture.js';
import { channelsFirst } from '../layout.js';
import { once } from '../once.js';

const parameterPrefix = 'param.';
const outputs: Readonly<Record<string, 'mean' | 'logVariance' | 'decoded'>> = {
  mean: 'mean',
  logvar: 'logVariance',
  decoded_mean: 'decoded',
};

/** Diffusers' AutoencoderKL: the posterior of images, and the decoding of its mean. */
export const autoencoderKlKind: ProgramFixtureKind = {
  name: 'autoencoder_kl',
  files: /^autoencoder_kl.*\.safetensors$/,
  companions: /^autoencoder_kl.*\.config\.json$/,
  programs: true,
  async checks(path, execution) {
    const fixture = await readFixture(path);
    const { config } = readDiffusersConfig(fixture.spec.config, path);
    const results = once(() => run(fixture, config, execution));
    const known = new Set(autoencoderParameters(config).map(({ name }) => parameterPrefix + name));
    const tolerance = { ofLargest: statedTolerance(fixture, 1e-4) };
    const checks = [...fixture.tensors.keys()]
      .filter((name) => name !== 'image' && !known.has(name))
      .map((name): Check => {
        const output = outputs[name];
        if (output === undefined) return notUnderstood(name);
        return expectNear(name, stored(fixture, name), tolerance, async () =>
          channelsFirst((await results())[output]),
        );
      });
    return [...checks, ...configCheck(path.replace(/\.safetensors$/, '.config.json'), config)];
  },
};

async function run(fixture: Fixture, config: AutoencoderConfig, execution: Execution) {
  const weights: HostTensors = Object.fromEntries(
    autoencoderParameters(config).map((parameter) => {
      const { data } = stored(fixture, parameterPrefix + parameter.name);
      return [parameter.name, fromDiffusers(Float32Array.from(data as ArrayLike<number>), parameter)];
    }),
  );
  const program = ({ image }: { image: Tensor4D }, w: Tensors) => {
    const { mean, logVariance } = encode(w, config, image);
    return { mean, logVariance, decoded: decode(w, config, mean) };
  };
  const runnable = await execution.prepare(program, weights);
  return runnable({ image: programInput(fixture, 'image') });
}

/** The configuration file beside the fixture says the same as its spec. */
function configCheck(path: string, expected: AutoencoderConfig): Check[] {
  if (!existsSync(path)) return [];
  const numbers = ({ channels, ...rest }: AutoencoderConfig): number[] => [
    ...Object.values(rest).map(Number),
    ...channels,
  ];
  return [
    expectNear('config.json', numbers(expected), {}, async () =>
      numbers(readDiffusersConfig(JSON.parse(await readFile(path, 'utf8')), path).config),
    ),
  ];
}
