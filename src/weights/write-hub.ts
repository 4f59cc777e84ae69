import { join } from 'node:path';
import { stringify } from 'yaml';
import { writeFileWhole } from '../base/output-file.js';
import { type SiTConfig, sitParameters } from '../models/sit/config.js';
import type { Normalization } from '../training/diffusion-loss.js';
import type { ModelSource } from './model-source.js';
import { writeReferenceStateDict } from './write-reference.js';
import type { Tell } from './write.js';

/** Origin of a model: files of its pipeline, as text, and what its stages reported. */
export interface ModelHistory {
  readonly stage: string;
  /** Name of the pipeline's file, and its text. */
  readonly pipeline: { readonly name: string; readonly text: string };
  readonly lock?: { readonly name: string; readonly text: string };
  /** Figures by the ids of stages. */
  readonly figures: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Name of the weights in a folder for the Hub. */
const weightsName = 'model.safetensors';

/**
 * Writes a folder for a repository on the Hugging Face Hub: the averaged weights under the names of the PyTorch
 * reference, `config.json`, and a model card with how the model came about. One tensor at a time is in memory.
 *
 * @param repository name of the repository, for the card
 */
export async function writeHubFolder(
  source: ModelSource,
  directory: string,
  history: ModelHistory | undefined,
  work: { readonly tell: Tell; readonly signal: AbortSignal },
  repository = 'OWNER/NAME',
): Promise<void> {
  await writeReferenceStateDict(source, 'ema', join(directory, weightsName), work);
  const config = { model_type: 'sit', library_name: library, ...source.description };
  await writeFileWhole(join(directory, 'config.json'), `${JSON.stringify(config, undefined, 1)}\n`);
  for (const file of history ? [history.pipeline, history.lock] : [])
    if (file) await writeFileWhole(join(directory, file.name), file.text);
  await writeFileWhole(join(directory, 'README.md'), modelCard(source, history, repository));
}

const library = 'mediator-sit';

function modelCard(source: ModelSource, history: ModelHistory | undefined, repository: string): string {
  const { config, interpolant, prediction, classes, steps, normalization } = source.description;
  const scale = scaleOf(normalization);
  const weights = sitParameters(config).reduce(
    (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  const head = stringify({
    library_name: library,
    pipeline_tag: 'unconditional-image-generation',
    tags: ['diffusion', 'diffusion-transformer', 'sit', 'attention-mediators', 'image-generation'],
  });
  const facts: readonly (readonly [string, string])[] = [
    ['Parameters', `${(weights / 1e6).toFixed(1)} million`],
    ['Hidden size, depth, heads', `${config.hiddenSize}, ${config.depth}, ${config.heads}`],
    [
      'Latents',
      `${config.latentSize} × ${config.latentSize} × ${config.channels}, patches of ${config.patchSize}`,
    ],
    ['Mediators per block', [...new Set(config.mediators)].join(', ')],
    ['Blocks', blocksOf(config)],
    ['Path, prediction', `${interpolant}, ${prediction}`],
    ['Classes', String(config.classes)],
    ['Steps of training', String(steps)],
  ];
  const hints = stringify({
    uses: 'pretrained',
    path: `hf://${repository}/${weightsName}`,
    ...{
      heads: config.heads,
      labelDropout: config.labelDropout,
      interpolant,
      prediction,
      ...(scale ?? { scalingFactor: 1 }),
    },
    ...(classes.length <= mostNamed && { classes }),
  });
  return [
    `---\n${head}---\n`,
    `# Diffusion transformer with attention mediators\n`,
    'A SiT with mediators, after *[Efficient Diffusion Transformer with Step-wise Dynamic Attention Mediators](https://arxiv.org/abs/2408.05710)* (ECCV 2024).\n',
    table(['', ''], facts),
    `## Use\n`,
    `\`${weightsName}\` holds the averaged weights under the names of the [PyTorch reference](https://github.com/LeapLabTHU/Attention-Mediators). \`config.json\` describes the model and names its classes. As a stage of a pipeline of mediator-sit:\n`,
    `\`\`\`yaml\n${hints}\`\`\`\n`,
    ...(scale === undefined
      ? [
          'Its latents were brought to mean 0 and deviation 1 channel by channel, by the numbers under `normalization` in `config.json`. A stage `pretrained` takes one factor for all channels only, here 1, so map samples back by these numbers.\n',
        ]
      : []),
    ...(history ? historyOf(history) : []),
  ].join('\n');
}

/** Norms, hidden layers, positions and values, in words. */
function blocksOf({ rmsNorm, swiGlu, rope, valueResidual }: SiTConfig): string {
  const names = [rmsNorm === true ? 'RMSNorm' : 'layer norm', swiGlu === true ? 'SwiGLU' : 'GELU'];
  return [
    ...names,
    ...(rope === undefined ? [] : ['rotary positions']),
    ...(valueResidual === true ? ['value residuals'] : []),
  ].join(', ');
}

/** Factor and shift of latents, as `pretrained` takes them; undefined where those of channels differ. */
function scaleOf({ mean, std }: Normalization) {
  if (new Set(mean).size > 1 || new Set(std).size > 1) return undefined;
  return {
    scalingFactor: Number((1 / std[0]!).toPrecision(12)),
    ...(mean[0] !== 0 && { shiftFactor: mean[0]! }),
  };
}

/** Classes beyond this number are in `config.json` alone. */
const mostNamed = 100;

function historyOf({ stage, pipeline, lock, figures }: ModelHistory): readonly string[] {
  const rows = Object.entries(figures).flatMap(([id, values]) =>
    Object.entries(values)
      .filter(([, value]) => ['number', 'string', 'boolean'].includes(typeof value))
      .map(([name, value]) => [id, name, String(value)] as const),
  );
  return [
    ...(rows.length > 0 ? ['## Figures\n', table(['Stage', 'Figure', 'Value'], rows)] : []),
    '## How it was made\n',
    `By the stage \`${stage}\` of \`${pipeline.name}\`${lock ? `; \`${lock.name}\` has the configuration of every stage with its defaults, and the hashes of inputs and outputs` : ''}.\n`,
    `\`\`\`yaml\n${pipeline.text.trimEnd()}\n\`\`\`\n`,
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}
