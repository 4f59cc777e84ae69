import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { Chalk } from 'chalk';
import { UserError } from '../../base/errors.js';
import { makeFolder, openFile } from '../../base/files.js';
import { writeFileWhole } from '../../base/output-file.js';
import { locationOf } from '../../base/patterns.js';
import { decodeBytes } from '../../data/images/decode.js';
import { scanImages } from '../../data/images/scan.js';
import { openSource } from '../../data/images/source.js';
import { NpzFile } from '../../formats/npz.js';
import type { EvaluateConfig } from '../../generated/index.js';
import { figuresOf } from '../../pages/figures.js';
import type { StageResult } from '../../runner/run/events.js';
import { runsRootOf } from '../../runner/runs-root.js';
import { asUsage } from '../errors.js';
import { exitCodes, say, type Services, shortPath, usesColor } from '../services.js';
import { isOfFeatures } from '../../stages/evaluate/figures.js';
import { formatTable } from '../table.js';
import { withoutEffect } from '../without-effect.js';
import { runFile } from './run.js';

export interface EvaluateOptions {
  readonly reference: string;
  readonly features?: EvaluateConfig['features'];
  readonly inception?: string;
  readonly metrics?: EvaluateConfig['metrics'];
  readonly size?: number;
  readonly json?: boolean;
  readonly runs?: string;
}

/** `pipeline evaluate`: figures of any program's samples, by a pipeline that is written for them. Gives the exit code. */
export async function evaluate(
  samples: string,
  options: EvaluateOptions,
  services: Services,
): Promise<number> {
  const { stdout, env } = services;
  const { inception, metrics } = options;
  const features = options.features ?? (inception === undefined ? 'efficientnet' : 'inception');
  if (options.features !== undefined && metrics?.some(isOfFeatures) === false)
    throw withoutEffect('--features', 'none of the figures is of these features');
  const ofInception =
    features === 'inception' ? '--features inception' : metrics?.find((metric) => !isOfFeatures(metric));
  if (ofInception !== undefined && inception === undefined)
    throw new UserError({
      code: 'missing-option',
      usage: true,
      message: `${ofInception} needs the graph of the ADM evaluator.`,
      remedy: 'Add --inception classify_image_graph_def.pb.',
    });
  const runsRoot = runsRootOf(process.cwd(), options.runs, env);
  const look = async () => {
    if (inception !== undefined) await (await openFile(resolve(inception))).close();
    return [await lookAt(samples, runsRoot), await lookAt(options.reference, runsRoot)] as const;
  };
  const sides = await look().catch((error: unknown) => {
    throw asUsage(error);
  });
  if (metrics?.includes('classAgreement') === true && !agreeInLabels(sides))
    throw new UserError({
      code: 'no-classes',
      usage: true,
      message: `classAgreement needs classes of both sides in one form; ${samples} ${labelsTold[sides[0].labels]}, ${options.reference} ${labelsTold[sides[1].labels]}.`,
      remedy: 'Compare folders with a folder a class, or .npz files with classes in `arr_1`.',
    });
  if (options.size !== undefined && sides.every(({ isNpz }) => isNpz))
    throw withoutEffect('--size', 'images in .npz files are compared as they are');
  const pipeline = pipelineOf(sides, { ...options, features });
  const text = `${JSON.stringify(pipeline, undefined, 1)}\n`;
  const name = createHash('sha256').update(text).digest('hex').slice(0, 8);
  const folder = join(runsRoot, 'evaluations');
  makeFolder(folder);
  const file = join(folder, `${name}.yaml`);
  await writeFileWhole(file, text);
  let result: StageResult | undefined;
  // What is told meanwhile does not mix with the table.
  const exitCode = await runFile(
    file,
    { set: [], force: [], lock: false, runs: runsRoot },
    { ...services, stdout: services.stderr },
    undefined,
    (event) => {
      const isResult = event.type === 'stage-finished' || event.type === 'stage-cached';
      if (isResult && event.stage === 'evaluate') result = event;
    },
  );
  if (exitCode !== exitCodes.done || result === undefined) return exitCode;
  const { summary, output } = result;
  if (options.json === true) {
    const figures = Object.fromEntries(
      Object.entries(summary).filter(([, value]) => typeof value === 'number'),
    );
    stdout.write(`${JSON.stringify({ samples, reference: options.reference, features, figures, output })}\n`);
    return exitCodes.done;
  }
  const chalk = new Chalk({ level: usesColor(stdout, env) ? 1 : 0 });
  const shown = figuresOf(result);
  const columns = [
    { heading: 'figure', cells: shown.map(({ label }) => ({ text: label })) },
    { heading: 'value', cells: shown.map(({ value }) => ({ text: value })), align: 'right' as const },
  ];
  say(stdout, formatTable(columns, stdout.isTTY ? stdout.columns : Infinity, chalk));
  say(stdout, `Output: ${shortPath(output)}\n`);
  return exitCodes.done;
}

const labelsTold = {
  folders: 'has a folder a class',
  numbers: 'has numbers of classes',
  none: 'has no classes',
} as const;

/** True where both sides tell the classes of their images, in the same form. */
const agreeInLabels = ([samples, reference]: readonly [Side, Side]): boolean =>
  samples.labels !== 'none' && samples.labels === reference.labels;

/** One side of a comparison, as far as it can be told without reading it. */
interface Side {
  /** Absolute path. */
  readonly path: string;
  readonly isNpz: boolean;
  readonly labels: 'folders' | 'none' | 'numbers';
  /** Width of its images, where it is known. */
  readonly size?: number;
}

/** @throws UserError where there are no images */
async function lookAt(name: string, runsRoot: string): Promise<Side> {
  const path = resolve(name);
  if (name.endsWith('.npz')) {
    const npz = await NpzFile.open(path);
    try {
      const { names } = npz;
      const size = names.includes('arr_0') ? (await npz.header('arr_0')).shape[2] : undefined;
      return {
        path,
        isNpz: true,
        labels: names.includes('arr_1') ? 'numbers' : 'none',
        ...(size && { size }),
      };
    } finally {
      await npz.close();
    }
  }
  const location = locationOf(name, process.cwd());
  const scan = (labels: 'folders' | 'none') => scanImages({ location, labels, runsRoot });
  const labelled = await scan('folders').catch((error: unknown) => {
    if (error instanceof UserError) return undefined;
    throw error;
  });
  const found = labelled ?? (await scan('none'));
  const source = await openSource(found);
  const { width, height } = await decodeBytes(await source.read(0), source.place(0), {
    background: '#ffffff',
    orientation: 'ignore',
  });
  return {
    ...{ path, isNpz: false, size: Math.min(width, height) },
    labels: labelled !== undefined && labelled.classes.length > 1 ? 'folders' : 'none',
  };
}

/** A pipeline that compares two sides; images in folders and containers are brought to the size of the samples. */
function pipelineOf(
  [samples, reference]: readonly [Side, Side],
  {
    features,
    inception,
    metrics,
    size,
  }: EvaluateOptions & { readonly features: 'efficientnet' | 'inception' },
): object {
  const usual: EvaluateConfig['metrics'] = [
    ...(features === 'inception'
      ? (['fid', 'sfid', 'inceptionScore'] as const)
      : (['frechetDistance'] as const)),
    ...(['kernelDistance', 'precisionRecall'] as const),
    ...(agreeInLabels([samples, reference]) ? (['classAgreement'] as const) : []),
  ];
  const chosen = metrics ?? usual;
  const images = ({ path, labels }: Side) => ({
    ...{ uses: 'images', path, labels, size: size ?? samples.size ?? reference.size },
  });
  return {
    name: 'evaluate',
    stages: {
      ...(!samples.isNpz && { samples: images(samples) }),
      ...(!reference.isNpz && { reference: images(reference) }),
      evaluate: {
        uses: 'evaluate',
        ...(samples.isNpz ? { samplesFile: samples.path } : { samples: 'samples' }),
        ...(reference.isNpz ? { referenceFile: reference.path } : { reference: 'reference' }),
        metrics: chosen,
        ...(chosen.some(isOfFeatures) && { features }),
        ...(inception !== undefined && { inceptionFile: resolve(inception) }),
      },
    },
  };
}
