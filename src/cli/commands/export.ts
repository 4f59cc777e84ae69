import { extname } from 'node:path';
import { UserError } from '../../base/errors.js';
import { type ModelHints, type ModelSource, scaledNormalization } from '../../weights/model-source.js';
import { openWeights, type WeightsSource } from '../../weights/open.js';
import { writeReferenceCheckpoint, writeReferenceStateDict } from '../../weights/write-reference.js';
import { writeAutoencoder, writeDiffusers, writeSaved } from '../../weights/write.js';
import type { WeightFormat, WriteOptions } from '../../weights/write.js';
import { type ModelHistory, writeHubFolder } from '../../weights/write-hub.js';
import { findWeights } from '../outputs.js';
import { say, type Services } from '../services.js';
import { transfer, type TransferOptions, type Work, writeFile, writeFolder } from '../transfer.js';
import { withoutEffect } from '../without-effect.js';
import { historyOf } from './publish.js';

type Format = 'pt' | 'safetensors' | 'diffusers' | 'own' | 'hub';

export interface ExportOptions extends TransferOptions {
  readonly format?: Format;
  readonly weights?: Exclude<ModelHints['weights'], 'all'>;
  readonly dtype?: WeightFormat;
  readonly runs?: string;
}

/** `pipeline export`: converts weights into what PyTorch and diffusers read. Gives the exit code. */
export function exportWeights(
  name: string,
  target: string,
  options: ExportOptions,
  services: Services,
): Promise<number> {
  return transfer(target, options, services, async (work) => {
    const path = await findWeights(name, options.runs, services);
    const opened = await openWeights(
      path,
      { weights: options.weights ?? 'all' },
      { ...work, env: services.env },
    );
    try {
      const history = options.format === 'hub' ? await historyOf(name, path) : undefined;
      const made = await write(opened, target, options, work, history);
      const lost =
        opened.kind === 'model' ? lostIn(opened.source, options.format ?? byName('model', target)) : [];
      if (lost.length > 0)
        say(
          services.stderr,
          `Not in this file: ${lost.join('; ')}. A folder of this project has it (--format own).\n`,
        );
      return made;
    } finally {
      await opened.source.close();
    }
  });
}

/** Parts of a model's description that checkpoints of the reference have no place for, and that samples depend on. */
function lostIn({ description }: ModelSource, format: Format): string[] {
  if (format !== 'pt' && format !== 'safetensors') return [];
  const { config, interpolant, prediction, normalization, classes, guided } = description;
  // A checkpoint has options beside its weights, which say these.
  const inOptions = [
    ...(interpolant === 'linear' ? [] : [`interpolant: ${interpolant}`]),
    ...(prediction === 'velocity' ? [] : [`prediction: ${prediction}`]),
    ...(config.labelDropout > 0 ? [] : ['labelDropout: 0']),
  ];
  const usual = scaledNormalization(config.channels, {});
  return [
    ...(JSON.stringify(normalization) === JSON.stringify(usual) ? [] : ['the scale of the latents']),
    ...(classes.every((name, label) => name === String(label)) ? [] : ['the names of the classes']),
    ...(format === 'pt' ? [] : inOptions.map((said) => `\`${said}\``)),
    ...(guided === true ? ['that the model draws guided samples itself'] : []),
  ];
}

/** Formats that may hold one set of weights of a model, and formats that may hold other numbers than float32. */
const hasOneSet: readonly Format[] = ['safetensors', 'own'];
const hasFormats: readonly Format[] = ['safetensors', 'own', 'diffusers'];

function write(
  opened: WeightsSource,
  target: string,
  options: ExportOptions,
  work: Work,
  history?: ModelHistory,
) {
  const format = options.format ?? byName(opened.kind, target);
  if (options.weights !== undefined && !(opened.kind === 'model' && hasOneSet.includes(format)))
    throw withoutEffect(
      '--weights',
      'only a model as a state dict or a folder of this project (--format safetensors, own) may have a single set of weights',
    );
  if (options.dtype !== undefined && !hasFormats.includes(format))
    throw withoutEffect('--dtype', `${format} is written in float32`);
  const written: WriteOptions = { ...work, dtype: options.dtype };
  if (opened.kind === 'model') {
    const { source } = opened;
    if (format === 'pt')
      return writeFile(target, options, 'model', (path) => writeReferenceCheckpoint(source, path, work));
    if (format === 'safetensors')
      return writeFile(target, options, 'model', (path) =>
        writeReferenceStateDict(source, options.weights === 'raw' ? 'raw' : 'ema', path, written),
      );
    if (format === 'own')
      return writeFolder(target, options, 'model', (directory) => writeSaved(source, directory, written));
    if (format === 'hub')
      return writeFolder(target, options, 'model', (directory) =>
        writeHubFolder(source, directory, history, work),
      );
  } else {
    const { source } = opened;
    if (format === 'diffusers')
      return writeFolder(target, options, 'autoencoder', (directory) =>
        writeDiffusers(source, directory, written),
      );
    if (format === 'own')
      return writeFolder(target, options, 'autoencoder', (directory) =>
        writeAutoencoder(source, directory, written),
      );
  }
  throw new UserError({
    code: 'format-unsuitable',
    usage: true,
    message: `${opened.kind === 'model' ? 'A model' : 'An autoencoder'} cannot be written as ${format}.`,
    remedy:
      opened.kind === 'model'
        ? 'Use --format pt, safetensors, hub or own.'
        : 'Use --format diffusers or own, and name a folder.',
  });
}

function byName(kind: WeightsSource['kind'], target: string): Format {
  const ending = extname(target).toLowerCase();
  if (['.pt', '.pth', '.ckpt'].includes(ending)) return 'pt';
  if (ending === '.safetensors') return 'safetensors';
  return kind === 'model' ? 'own' : 'diffusers';
}
