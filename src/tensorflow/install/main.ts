#!/usr/bin/env node
import { mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { warnOfVariables } from '../../base/environment-variables.js';
import { UserError } from '../../base/errors.js';
import { writePlain } from '../../base/files.js';
import { outliveMissingParser, outliveOutput } from '../../base/outlive-output.js';
import { type Device, rememberedDeviceFile } from './device-choice.js';
import { featureNetwork, obtainNetwork } from './feature-network.js';
import type { LibraryLocation } from './locate.js';
import { cacheFolder, setupWith } from './platform.js';
import { setupView } from './setup-view.js';
import { setupLibrary } from './setup.js';

const usage = `Usage: ${setupWith('[--cpu | --gpu | --auto] [--features] [--verify] [--quiet]')}

Fetches the native TensorFlow library into a per-user cache (PIPELINE_CACHE moves it).
  --cpu, --gpu   use this build, now and in later set-ups; --auto chooses by the machine again
  --features     fetch the network of evaluation figures too (17 MB), which is otherwise fetched when a pipeline needs it
  --verify       read the whole library, and fetch it again if it is damaged
  --quiet        print nothing when there is nothing to do

Environment: PIPELINE_DEVICE=auto|cpu|gpu, PIPELINE_CACHE=FOLDER, PIPELINE_WHEELS=FOLDER with downloaded wheels,
PIPELINE_TENSORFLOW=FOLDER with libraries of your own; PIP_INDEX_URL, HTTPS_PROXY and pip's configuration files.`;

/** Codes of machines that the library is not made for: what prepares itself quietly goes on without it. */
const impossible = new Set(['platform-unsupported', 'cpu-without-avx', 'c-library-unsupported']);

/** The command behind `npm run setup`. Exit codes: 0 done, 1 failed, 2 usage, 130 or 143 interrupted. */
async function main(): Promise<number> {
  const options = parseOptions();
  if (options === undefined || options.help) {
    (options === undefined ? process.stderr : process.stdout).write(`${usage}\n`);
    return options === undefined ? 2 : 0;
  }
  if (options.quiet && process.env.PIPELINE_BACKEND === 'wasm') return 0;
  for (const warning of await warnOfVariables(process.env)) process.stderr.write(`Warning: ${warning}\n`);
  const view = setupView(process.stdout);
  const seen = { work: false };
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interruption.abort(signal);
    });
  }
  try {
    const location = await setupLibrary({
      device: options.device,
      verify: options.verify,
      report: (event) => {
        seen.work = true;
        view(event);
      },
      signal: interruption.signal,
    });
    if (options.device !== undefined) await remember(options.device);
    const network = options.features && (await obtainNetwork(view, interruption.signal));
    view.end();
    if (seen.work || !options.quiet) process.stdout.write(`${describe(location)}\n`);
    if (network) process.stdout.write(`${featureNetwork.name} is ready in ${network}\n`);
    return 0;
  } catch (error) {
    view.end();
    if (interruption.signal.aborted) {
      process.stderr.write('Interrupted. Run it again to continue.\n');
      return 128 + constants.signals[interruption.signal.reason as 'SIGINT' | 'SIGTERM'];
    }
    process.stderr.write(explain(error));
    if (!options.quiet || !(error instanceof UserError)) return 1;
    if (impossible.has(error.code)) return 0;
    process.stderr.write(
      'Or set PIPELINE_BACKEND=wasm: all then computes on WebAssembly, many times slower.\n',
    );
    return 1;
  }
}

function parseOptions():
  | { device: Device | undefined; features: boolean; verify: boolean; quiet: boolean; help: boolean }
  | undefined {
  const flag = { type: 'boolean', default: false } as const;
  try {
    const { values } = parseArgs({
      options: {
        ...{ cpu: flag, gpu: flag, auto: flag, features: flag, verify: flag, quiet: flag },
        help: { ...flag, short: 'h' },
      },
    });
    const devices = (['cpu', 'gpu', 'auto'] as const).filter((device) => values[device]);
    if (devices.length > 1) throw new Error(`choose one of --${devices.join(' and --')}`);
    return { device: devices[0], ...values };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n`);
    return undefined;
  }
}

async function remember(device: Device): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true });
  await writePlain(join(cacheFolder(), rememberedDeviceFile), `${device}\n`);
}

function describe({ version, build, directory }: LibraryLocation): string {
  return `TensorFlow ${version} (${build === 'cuda' ? 'CUDA' : 'CPU'}) is ready in ${directory}`;
}

function explain(error: unknown): string {
  if (error instanceof UserError)
    return `Error: ${error.message}\n${error.remedy ? `${error.remedy}\n` : ''}`;
  return `Internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}

outliveMissingParser();
outliveOutput();
process.exitCode = await main();
