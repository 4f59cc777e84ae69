import { capitalized, counted, formatDuration, formatLarge, formatPercent } from '../../../base/format.js';
import type { SamplerSettings } from '../../../sampling/index.js';
import { odeIntegrator } from '../../../transport/integrators.js';
import type { Answer, BackendName, Description } from '../description.js';
import type { DrawRequest, PlaygroundModel, Settings } from '../description.js';
import { type Backend, findBackends, helpersFor, takeBytes, unzipped } from './choices.js';
import { Gallery } from './gallery.js';
import { Pool } from './pool.js';

type Request = Omit<DrawRequest, 'rows'>;

const byId = (id: string): HTMLElement => document.getElementById(id)!;
const input = (id: string) => byId(id) as HTMLInputElement;
const select = (id: string) => byId(id) as HTMLSelectElement;
const button = (id: string) => byId(id) as HTMLButtonElement;

/** Shares of the work at which the status says how far it is. */
const told = [0.25, 0.5, 0.75];

/** @param script text of this script */
export function startPage(script: string): void {
  new Playground(script, JSON.parse(byId('description').textContent) as Description);
}

/** The page: its controls, and what it draws. */
class Playground {
  private readonly weights = unzipped(takeBytes('weights'));
  private readonly wasm = unzipped(takeBytes('wasm'));
  private readonly backends = findBackends();
  private pool: Pool | undefined;
  /** Choice of an engine that the pool was opened for. */
  private openedFor: string | undefined;
  private gallery: Gallery;
  private first = 0;
  private drawings = 0;
  private isDrawing = false;
  private isStopped = false;
  private drawnSeed = 0;

  constructor(
    private readonly script: string,
    private readonly description: Description,
  ) {
    this.gallery = this.prepared();
    void this.backends.then(listBackends);
    byId('controls').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.isDrawing) this.stop();
      else void this.draw(0);
    });
    byId('more').addEventListener('click', () => {
      if (this.isDrawing || !(byId('controls') as HTMLFormElement).reportValidity()) return;
      void this.draw(this.first + Number(select('count').value));
    });
    byId('save').addEventListener('click', () => {
      if (this.isDrawing) return;
      const link = document.createElement('a');
      link.href = this.gallery.picture();
      link.download = `${this.description.pipeline}-seed-${this.drawnSeed}.png`;
      link.click();
    });
    byId('dice').addEventListener('click', () => {
      input('seed').value = String(crypto.getRandomValues(new Uint32Array(1))[0]! % 100_000);
      this.changed();
    });
    byId('content').addEventListener('input', () => {
      this.changed();
    });
    this.changed();
    byId('as-stage').textContent = asStage(description, this.request(0));
    byId('status').textContent = 'Nothing is drawn yet.';
    button('draw').disabled = false;
  }

  /** Shows what the controls say. */
  private changed(): void {
    for (const output of document.querySelectorAll('output'))
      output.value = input(output.htmlFor.value).value;
  }

  private prepared(first = 0): Gallery {
    return new Gallery(byId('gallery'), this.description, this.request(first));
  }

  private request(first: number): Request {
    const { classes } = this.description;
    const size = Number(select('count').value);
    const label = select('class').value;
    const labels = Array.from({ length: size }, (_, i) =>
      label === 'each' ? (first + i) % classes.length : Number(label),
    );
    return { ...settingsOf(this.description), first, size, labels };
  }

  private async draw(first: number): Promise<void> {
    this.first = first;
    this.busy(true);
    const request = this.request(first);
    this.drawnSeed = request.seed;
    this.gallery = this.prepared(first);
    byId('as-stage').textContent = asStage(this.description, request);
    const status = byId('status');
    status.textContent = 'The models are being loaded.';
    try {
      const pool = await this.opened();
      status.textContent = this.isStopped ? 'Stopped.' : `Drawing ${counted(request.size, 'picture')}.`;
      if (!this.isStopped) await this.drawBy(pool, request);
    } catch (error) {
      this.pool?.close();
      this.pool = undefined;
      status.textContent = `It failed: ${error instanceof Error ? error.message : String(error)}`;
    }
    this.busy(false);
  }

  /** Stops the drawing, also one whose models are still being loaded. */
  private stop(): void {
    this.isStopped = true;
    this.pool?.stop();
  }

  private async drawBy(pool: Pool, request: Request): Promise<void> {
    const { gallery } = this;
    const steps = request.sampler.steps;
    const progress = byId('progress') as HTMLProgressElement;
    const latents: Float32Array[] = new Array<Float32Array>(request.size);
    const doneSteps = new Array<number>(request.size).fill(0);
    const started = performance.now();
    let finished = 0;
    let lastTold = 0;
    const show = (answer: Answer, rows: readonly number[]): void => {
      if (answer.type === 'step') {
        for (const [i, row] of rows.entries()) {
          doneSteps[row] = answer.step;
          gallery.advance(row, answer.step, answer.switches[i]!);
        }
        progress.value = doneSteps.reduce((sum, step) => sum + step, 0) / request.size / steps;
        const share = told.findLast((each) => progress.value >= each) ?? 0;
        if (share > lastTold)
          byId('status').textContent = `${Math.round(100 * share)} % of the steps are done.`;
        lastTold = share;
        this.tellTotals(pool, gallery, started);
      } else if (answer.type === 'preview') gallery.show(rows, answer.pixels, false);
      else if (answer.type === 'done') {
        gallery.show(rows, answer.pixels, true);
        for (const [i, row] of rows.entries()) {
          gallery.advance(row, answer.steps[i]!, answer.switches[i]!);
          const each = answer.latents.length / rows.length;
          latents[row] = answer.latents.slice(i * each, (i + 1) * each);
          finished++;
        }
      }
    };
    await pool.draw(++this.drawings, request, show);
    const seconds = (performance.now() - started) / 1000;
    this.tellTotals(pool, gallery, started);
    progress.value = finished === request.size ? 1 : progress.value;
    byId('status').textContent =
      finished === request.size
        ? `${capitalized(counted(request.size, 'picture'))} in ${formatDuration(seconds)}.`
        : 'Stopped.';
    const detail = { latents, seconds, backend: pool.backend, programs: pool.size };
    document.dispatchEvent(new CustomEvent('drawn', { detail }));
  }

  private tellTotals(pool: Pool, gallery: Gallery, started: number): void {
    const { each, saved } = gallery.cost;
    const label = labels[pool.backend] + (pool.size > 1 ? `, ${pool.size} programs` : '');
    const totals = [
      ['Time', formatDuration((performance.now() - started) / 1000)],
      ['Multiply-accumulates a picture', formatLarge(each)],
      ...(Math.abs(saved) > 1e-9 ? [['Saved by phases', formatPercent(saved)]] : []),
      ['Computes on', label],
    ];
    byId('totals').replaceChildren(
      ...totals.map(([term, value]) => {
        const pair = document.createElement('div');
        for (const [name, text] of [
          ['dt', term],
          ['dd', value],
        ] as const)
          pair.appendChild(document.createElement(name)).textContent = text!;
        return pair;
      }),
    );
  }

  /** The programs on the backend that is chosen, opened where they are not yet. */
  private async opened(): Promise<Pool> {
    const chosen = select('backend').value;
    const backends = await this.backends;
    const names =
      chosen === 'auto'
        ? backends.filter(({ isImitated }) => !isImitated).map(({ name }) => name)
        : [chosen as BackendName];
    if (this.pool !== undefined && this.openedFor === chosen) return this.pool;
    this.pool?.close();
    this.pool = undefined;
    let problem: unknown;
    for (const backend of names) {
      try {
        const { description, script } = this;
        const [weights, wasm] = await Promise.all([this.weights, this.wasm]);
        const order = { type: 'open', backend, description, weights, wasm } as const;
        this.pool = await Pool.open(order, helpersFor(backend, weights, description.weightType), script);
        this.openedFor = chosen;
        return this.pool;
      } catch (error) {
        problem = error;
      }
    }
    throw problem;
  }

  private busy(isBusy: boolean): void {
    this.isDrawing = isBusy;
    this.isStopped = false;
    byId('draw').textContent = isBusy ? 'Stop' : 'Draw';
    // Not disabled, which would take the focus from them.
    for (const id of ['more', 'save']) {
      button(id).disabled = false;
      button(id).ariaDisabled = String(isBusy);
    }
    byId('gallery').setAttribute('aria-busy', String(isBusy));
    document.body.classList.toggle('drawing', isBusy);
  }
}

const labels: Readonly<Record<BackendName, string>> = {
  webgpu: 'WebGPU',
  webgl: 'WebGL',
  wasm: 'WebAssembly',
};

function listBackends(backends: readonly Backend[]): void {
  const list = select('backend');
  for (const { name, label, isImitated } of backends)
    list.append(new Option(label + (isImitated ? ' (imitated)' : ''), name));
}

/** Settings as the controls have them. */
function settingsOf({ start, samplers, guides }: Description): Settings {
  const sampler = samplers[Number(select('sampler').value)]!;
  return {
    seed: Number(input('seed').value),
    guidance: { ...start.guidance, scale: guides ? Number(input('guidance').value) : 1 },
    switching: {
      ...start.switching,
      switchRatios: start.switching.switchRatios.map((_, i) => Number(input(`ratio-${i}`).value)),
    },
    sampler: { ...sampler, steps: Number(input('steps').value) },
  };
}

/** Keys of a sampler's method that matter to it. */
function choiceKeys(choice: SamplerSettings['choice']): object {
  if (choice.kind === 'ode') return choice;
  const { lastStepSize, ...others } = choice;
  return { ...others, ...(choice.lastStep !== 'none' && { lastStepSize }) };
}

/** Keys of a sampler beside its method and steps that are not their defaults and matter to it. */
function otherKeys({
  choice,
  timeShift,
  diffusionNorm,
  order,
  tolerances,
  ...rest
}: SamplerSettings): object {
  const { sampleEpsilon, featureCache } = rest;
  const integrator = choice.kind === 'ode' ? odeIntegrator(choice.method) : undefined;
  return {
    ...(timeShift !== undefined && timeShift !== 1 && { timeShift }),
    ...(choice.kind === 'sde' && diffusionNorm !== 1 && { diffusionNorm }),
    ...(integrator?.kind === 'multistep' && { order }),
    ...(integrator?.kind === 'adaptive' && {
      absoluteTolerance: tolerances.absolute,
      relativeTolerance: tolerances.relative,
    }),
    ...(sampleEpsilon !== undefined && { sampleEpsilon }),
    ...(featureCache && { featureCache }),
  };
}

/** The key that says which weights of a model draw, where these are not the default. */
const weightsOf = ({ weights }: PlaygroundModel): { weights?: string } =>
  weights === 'ema' ? {} : { weights };

/** Stage of a pipeline file that draws the same. */
function asStage(description: Description, request: Request): string {
  const { phases, base, decoder } = description;
  const { seed, guidance, switching, sampler, first, size, labels: own } = request;
  const { choice, steps } = sampler;
  const isOne = own.every((label) => label === own[0]);
  const flow = (values: object) =>
    `{ ${Object.entries(values)
      .map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
      .join(', ')} }`;
  const models =
    phases.length === 1
      ? [`model: ${phases[0]!.stage}`]
      : [
          'phases:',
          ...phases.map(({ stage }, i) => {
            const switchRatio = switching.switchRatios[i];
            return `  - ${flow({ model: stage, ...(switchRatio !== undefined && { switchRatio }) })}`;
          }),
          `firstSteps: ${switching.firstSteps}`,
          `distance: ${switching.distance}`,
        ];
  const { scale, ...rest } = guidance;
  const weaker = base && { model: base.stage, ...weightsOf(base) };
  const lines = [
    'uses: sample',
    `seed: ${seed}`,
    ...models,
    `autoencoder: ${decoder}`,
    ...Object.entries(weightsOf(phases[0]!)).map(([key, value]) => `${key}: ${value}`),
    first === 0 ? `count: ${size}` : `count: ${first + size} # these are the last ${size}`,
    ...(isOne && description.classes.length > 1 && (first + size > 1 || own[0] !== 0)
      ? [`classes: [${own[0]!}]`]
      : []),
    `sampler: ${flow({ ...choiceKeys(choice), steps, ...otherKeys(sampler) })}`,
    ...(scale === 1 ? [] : [`guidance: ${flow({ scale, ...rest, ...weaker })}`]),
  ];
  return ['sample:', ...lines.map((line) => `  ${line}`)].join('\n');
}
